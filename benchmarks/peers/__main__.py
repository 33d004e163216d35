"""Measure the peers that this interpreter has: one process for each, its rows as JSON on stdout."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys

from benchmarks.harness import ROOT
from benchmarks.peers import OFFLINE, PEERS, absent
from benchmarks.sizes import SIZES


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--only", choices=PEERS, help="this one, in this process")
    asked = parser.parse_args(arguments)
    if asked.only:
        print(json.dumps(_rows(asked.only, asked.size)))
    else:
        here = [peer for peer in PEERS if peer not in absent()]
        print(json.dumps({peer: _in_a_process(peer, asked.size) for peer in here}))


def _rows(peer: str, size: str) -> list[object]:
    """The peer's rows; what it prints itself goes to stderr."""
    out = os.dup(1)
    os.dup2(2, 1)
    rows = [row.to_json() for row in importlib.import_module(PEERS[peer][1]).rows(SIZES[size])]
    sys.stdout.flush()
    os.dup2(out, 1)
    return rows


def _in_a_process(peer: str, size: str) -> object:
    command = [sys.executable, "-m", "benchmarks.peers", "--only", peer, "--size", size]
    environment = {**os.environ, **OFFLINE}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main(sys.argv[1:])
