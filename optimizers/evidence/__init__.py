"""What a recorded graph says to whoever improves it: code-like lines, names, values cut to size."""
