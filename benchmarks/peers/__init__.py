"""The same work done by other libraries, each in a process of its own, where they are installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

from benchmarks.harness import ROOT, Row

PEERS = {
    "trace-opt": ("opto", "benchmarks.peers.trace_opt"),
    "textgrad": ("textgrad", "benchmarks.peers.textgrad"),
    "gepa": ("gepa", "benchmarks.peers.gepa"),
}
"""Each peer's package, and the module here that measures it."""

OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "TEXTGRAD_DISABLE_LOGGING": "true"}
"""Keeps the peers from fetching a price list at import, and from logging every operation."""


def absent() -> list[str]:
    """The peers that this interpreter has not."""
    return [peer for peer, (package, _) in PEERS.items() if importlib.util.find_spec(package) is None]


def measured_by(pythons: list[str], size: str) -> dict[str, dict[str, Row]]:
    """The rows of each peer that one of the interpreters has, by name."""
    found: dict[str, dict[str, Row]] = {}
    for python in pythons:
        found.update(_ask(python, size))
    return found


def _ask(python: str, size: str) -> dict[str, dict[str, Row]]:
    print(f"measuring the peers of {python} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [python, "-m", "benchmarks.peers", "--size", size],
        cwd=ROOT,
        env={**os.environ, **OFFLINE},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    return {peer: {row["name"]: Row.from_json(row) for row in rows} for peer, rows in answer.items()}
