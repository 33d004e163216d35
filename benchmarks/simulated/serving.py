"""The simulated model as an OpenAI-compatible server on loopback, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

from benchmarks.harness import ROOT
from benchmarks.simulated.oracle import Nature, Oracle, Tally, tokens
from benchmarks.simulated.ran import Place
from tracelib.testing import LoopbackServer, Request, Says
from tracelib.testing.answers import Wire


@dataclass(frozen=True)
class Simulated:
    """The server's answer to everything: what the oracle says, after the latency."""

    oracle: Oracle

    def send(self, wire: Wire, request: Request) -> None:
        messages = list(request.body.get("messages", ()))
        text = self.oracle(messages)
        prompt, completion = sum(map(tokens, messages)), tokens({"content": text})
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        Says(text, usage=usage, delay=self.oracle.nature.latency).send(wire, request)


@dataclass(frozen=True)
class Served:
    """A running server: its address, and what it was asked so far."""

    place: Place
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return self.place.url

    def tally(self) -> Tally:
        return Tally.from_json(self._told("tally"))

    def bodies(self) -> list[dict[str, Any]]:
        """The requests so far, in the order they came."""
        found: list[dict[str, Any]] = self._told("bodies")
        return found

    def _told(self, what: str) -> Any:
        told, heard = self.process.stdin, self.process.stdout
        assert told is not None
        assert heard is not None
        told.write(f"{what}\n")
        told.flush()
        return json.loads(heard.readline())


@contextmanager
def serving(nature: Nature) -> Iterator[Served]:
    """A server of this nature until the block ends."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.simulated.serving", json.dumps(asdict(nature))],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Served(Place(process.stdout.readline().strip(), nature.seed), process)
    finally:
        process.communicate("")


def serve(nature: Nature, asked: IO[str], told: IO[str]) -> None:
    """Serve until `asked` ends; each line of it is answered by a line of JSON: the bodies, or the tally."""
    oracle = Oracle(nature)
    with LoopbackServer(otherwise=Simulated(oracle), models=("simulated",)) as server:
        print(server.base_url, file=told, flush=True)
        for line in asked:
            tally = replace(oracle.tally, at_once=server.stats.most_at_once)
            bodies = [request.body for request in server.requests]
            print(json.dumps(bodies if line.strip() == "bodies" else tally.to_json()), file=told, flush=True)


if __name__ == "__main__":
    serve(Nature(**json.loads(sys.argv[1])), sys.stdin, sys.stdout)
