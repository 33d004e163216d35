"""How fast and how small the library is, measured against goals; `python -m benchmarks` prints the table."""
