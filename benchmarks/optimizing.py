"""Optimizers beside a simulated model, in a process of their own; and the peers, where they are asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

from benchmarks.harness import ROOT, Row
from benchmarks.sizes import SIZES, Size


def optimizers(size: Size) -> Iterator[Row]:
    """Optimizers beside a simulated model: calls, tokens, time, and what malformed replies do."""
    yield from _found(size)[""].values()


def theirs(size: Size, pythons: Mapping[str, str]) -> dict[str, dict[str, Row]]:
    """The rows of each peer for which there is an interpreter, by name."""
    return _found(size, *(f"{peer}={python}" for peer, python in pythons.items())) if pythons else {}


def _found(size: Size, *peers: str) -> dict[str, dict[str, Row]]:
    name = next(name for name, one in SIZES.items() if one == size)
    measuring = [sys.executable, "-m", "benchmarks.simulated", name, *peers]
    done = subprocess.run(measuring, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {peer: {row["name"]: Row.from_json(row) for row in rows} for peer, rows in found.items()}
