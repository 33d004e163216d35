"""How a candidate is run on examples and judged: data, program, metric, intervals."""
