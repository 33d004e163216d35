"""What can be asked of a store: listings, one call, its graph, running it again."""
