"""What values become when they are kept: typed JSON and blobs, and the way back."""
