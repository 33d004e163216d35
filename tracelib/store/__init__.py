"""What is kept: versions, calls, values and scores, in a database fed from a journal that kill -9 leaves."""
