"""Programs beside the openai client, measured in a process of their own: none of the others shall load it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict

from benchmarks.harness import ROOT, Row
from benchmarks.sizes import Size


def programs(size: Size) -> Iterator[Row]:
    """Programs against the openai client: what each call takes more, and a thousand of them at once."""
    measuring = [sys.executable, "-m", "benchmarks.asking", json.dumps(asdict(size))]
    done = subprocess.run(measuring, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    yield from map(Row.from_json, json.loads(done.stdout))
