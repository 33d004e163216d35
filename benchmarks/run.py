"""The command line: choose benchmarks and how much to measure, print the table, say whether goals are met."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchmarks import (
    calls,
    closures,
    confined,
    graphs,
    loading,
    memory,
    optimizing,
    peers,
    pictures,
    postgres,
    programs,
    storing,
    threads,
)
from benchmarks.goals import GOALS
from benchmarks.harness import Row
from benchmarks.peers import environments
from benchmarks.report import caveats, merged, missed, number, table, to_json, verdict
from benchmarks.sizes import SIZES, Size

BENCHMARKS: dict[str, Callable[[Size], Iterable[Row]]] = {
    "call": calls.calls,
    "operation": calls.operations,
    "text": calls.texts,
    "off": calls.off,
    "chain": graphs.chain,
    "fanin": graphs.fanin,
    "wide": graphs.wide,
    "dag": graphs.dag,
    "memory": memory.memory,
    "dot": pictures.dot,
    "svg": pictures.svg,
    "decoration": loading.decoration,
    "import": loading.imports,
    "version": closures.closures,
    "caller": storing.callers,
    "store": storing.stored,
    "postgres": postgres.stored,
    "opening": storing.opening,
    "threads": threads.concurrency,
    "programs": programs.programs,
    "sandbox": confined.sandboxes,
    "optimizers": optimizing.optimizers,
}

PEERS = "measure the peers that are installed, too; for `optimizers` those that are not are downloaded"
POSTGRES = "a server to measure a store on, in a new database that is dropped again: postgresql://..."


def main(arguments: list[str]) -> int:
    """Run what was asked for; the exit status is 1 with `--check` when a goal is missed."""
    asked = parser().parse_args(arguments)
    unknown = [name for name in asked.benchmarks if name not in BENCHMARKS]
    if unknown:
        parser().error(f"there is no benchmark {', '.join(unknown)}; there is {', '.join(BENCHMARKS)}")
    if asked.list:
        print(listing())
        return 0
    if asked.install_size:
        print(table(list(loading.install_size()), {}))
        return 0
    size = "quick" if asked.quick else asked.size
    names = asked.benchmarks or list(BENCHMARKS)
    rows = list(measured(names, SIZES[size], asked.postgres))
    here = beside(names, size, asked.peer_python or [sys.executable]) if asked.peers else {}
    absent = [peer for peer in peers.PEERS if peer not in here] if asked.peers else peers.absent()
    print(table(rows, here) + caveats(rows))
    print(summary(rows, absent))
    if asked.json is not None:
        asked.json.write_text(json.dumps(to_json(rows, here, size), indent=1, ensure_ascii=False) + "\n")
    return 1 if asked.check and missed(rows) else 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = made.add_argument
    add("benchmarks", nargs="*", metavar="NAME", help="which to run; else all")
    add("--list", action="store_true", help="say what there is and what the goals are")
    add("--size", choices=SIZES, default="full", help="tiny only shows that everything runs")
    add("--quick", action="store_true", help="the same as --size quick: about a minute")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    add("--check", action="store_true", help="exit with 1 when a goal is missed")
    add("--peers", action="store_true", help=PEERS)
    add("--peer-python", action="append", metavar="PYTHON", help="an interpreter that has a peer; repeatable")
    add("--postgres", metavar="URL", default=os.environ.get(postgres.VARIABLE), help=POSTGRES)
    add("--install-size", action="store_true", help="only that: installs with pip, needs the network")
    return made


def measured(names: list[str], size: Size, server: str | None) -> Iterator[Row]:
    """The rows of the named benchmarks; progress goes to stderr. One that fails gives a row that says so."""
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            measure = BENCHMARKS[name]
            yield from postgres.stored(size, server) if measure is postgres.stored else measure(size)
        except Exception as error:
            traceback.print_exc()
            yield Row(name, "failed", None, f"{type(error).__name__}: {error}")


def beside(names: list[str], size: str, pythons: list[str]) -> dict[str, dict[str, Row]]:
    """The rows of each peer, by name; optimizers are given to peers in environments made for that."""
    if "optimizers" not in names:
        return peers.measured_by(pythons, size)
    having = environments.interpreters(pythons)
    simulated = optimizing.theirs(SIZES[size], having)
    return (
        simulated
        if names == ["optimizers"]
        else merged(peers.measured_by(list(having.values()), size), simulated)
    )


def listing() -> str:
    """Every benchmark with its first line of words, then every goal."""
    lines = [f"{name:<12}{(measure.__doc__ or '').splitlines()[0]}" for name, measure in BENCHMARKS.items()]
    lines += ["", f"{'goal':<22}{'at most':>8}  {'unit':<14}{'floor':<12}peers, published"]
    for name, goal in GOALS.items():
        most = "-" if goal.most is None else number(goal.most)
        lines.append(f"{name:<22}{most:>8}  {goal.unit:<14}{goal.floor:<12}{goal.peer}".rstrip())
    return "\n".join(lines)


def summary(rows: list[Row], absent: list[str]) -> str:
    """Which goals are missed, and which peers are not here."""
    late = missed(rows)
    judged = sum(1 for row in rows if verdict(row) != "-")
    lines = [f"\n{judged - len(late)} of {judged} figures meet their goal."]
    lines += [f"missed: {row.name}" for row in late]
    lines += [f"{peer}: not installed here (see benchmarks/peers/README.md)" for peer in absent]
    return "\n".join(lines)
