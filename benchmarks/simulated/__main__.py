"""The figures of optimizers beside the simulated model, as JSON: ours, or those of the peers that are named.

    python -m benchmarks.simulated SIZE [PEER=PYTHON ...]

It runs in a process of its own, for it loads the openai package, which other benchmarks have to do without.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator

from benchmarks.harness import Row
from benchmarks.simulated import budgeted, faults, loops, searching, waiting
from benchmarks.sizes import SIZES, Size

Measure = Callable[[Size], Iterable[Row]]

LOOPS = {"trace-opt": "OptoPrime", "textgrad": "TextGrad"}
"""Which of our loops is that of each peer."""


def loop(name: str, run: loops.Runner, size: Size) -> Iterator[Row]:
    """A loop whose replies can be read, and one where a third cannot."""
    yield from loops.plain(name, run, size)
    yield from loops.malformed(name, run, size)


OURS: dict[str, Measure] = {
    "OptoPrime": lambda size: loop("OptoPrime", loops.ours("OptoPrime"), size),
    "TextGrad": lambda size: loop("TextGrad", loops.ours("TextGrad"), size),
    "budget": lambda size: budgeted.bounded(budgeted.ours, size),
    "noise": lambda size: budgeted.noisy(budgeted.ours, size),
    "latency": waiting.waited,
    "recovery": searching.recovered,
    "malformed search": searching.withstood,
    "null": searching.misled,
    "credit": faults.credited,
}


def theirs(peer: str, python: str) -> dict[str, Measure]:
    """What a peer has an equal of."""
    if peer == "gepa":
        search = loops.of_peer(python, "gepa", "search")
        return {
            "budget": lambda size: budgeted.bounded(search, size),
            "noise": lambda size: budgeted.noisy(search, size),
        }
    name, run = LOOPS[peer], loops.of_peer(python, peer.replace("-", "_"))
    return {name: lambda size: loop(name, run, size)}


def rows(measures: dict[str, Measure], size: Size) -> Iterator[Row]:
    """The rows of each measure; one that fails gives a row that says so."""
    for name, measure in measures.items():
        print(f"  simulated {name} ...", file=sys.stderr, flush=True)
        try:
            yield from measure(size)
        except Exception as error:
            traceback.print_exc()
            yield Row(f"simulated {name}", "failed", None, f"{type(error).__name__}: {error}")


def main(arguments: list[str]) -> None:
    size, pythons = SIZES[arguments[0]], dict(one.split("=", 1) for one in arguments[1:])
    measures = {peer: theirs(peer, python) for peer, python in pythons.items()} or {"": OURS}
    found = {peer: [row.to_json() for row in rows(one, size)] for peer, one in measures.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
