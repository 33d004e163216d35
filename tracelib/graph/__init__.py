"""What happened: values, calls and the graph behind an output. Knows no feedback, store or picture."""

from tracelib.graph import operators, text  # give Node and Text their operators

__all__ = ["operators", "text"]
