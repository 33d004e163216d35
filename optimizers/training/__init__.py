"""What one call of `fit` is made of: its session, who it is, what it will take, how it ends."""
