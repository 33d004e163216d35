"""gepa: it records no graph, so what it has an equal of is the import."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.harness import Row, beyond_nothing
from benchmarks.peers.cells import capped, tried
from benchmarks.sizes import Size


def rows(size: Size) -> Iterator[Row]:
    """Its import alone: litellm, which it asks models by, is loaded when it first does."""
    capped()
    yield tried("import tracelib", "import", lambda: beyond_nothing("import gepa", size.interpreters)[0])
