"""Small choices that strategies and the trainer are given: what to compare, when to accept, where to look."""
