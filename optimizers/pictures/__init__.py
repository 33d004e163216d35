"""What a training came to, as pictures: scores over time, and who was made from whom."""
