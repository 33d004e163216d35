"""`python -m tracelib` is the command `tracelib`."""

from __future__ import annotations

from tracelib.cli.main import main

if __name__ == "__main__":
    main()
