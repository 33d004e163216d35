"""What training came to, part by part: every candidate, comparisons, words, exports."""
