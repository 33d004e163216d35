"""What was said: feedback, the rules that carry it back, the report of whom it reached."""
