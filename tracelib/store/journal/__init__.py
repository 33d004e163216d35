"""The journal: records in memory-mapped files that kill -9 leaves, and their readers."""
