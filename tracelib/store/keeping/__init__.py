"""What is done to a store by hand: marks, pruning, export and import, verifying."""
