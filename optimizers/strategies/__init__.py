"""Whole algorithms, one generator per file: they yield effects and return a candidate."""
