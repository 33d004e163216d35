"""What each figure may be at most, the least that pure Python reached, and what others were measured at.

`floor` is a prototype that records the bare minimum, so it bounds the goal and is no rival. Figures of
peers (trace-opt 0.1.3.8, textgrad 0.1.8) were taken with the same method on the same kind of machine,
Python 3.11, in November 2026; differences below 40 % between peers mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """`most` is the greatest median that meets the goal; None where a figure is only for information."""

    most: float | None
    unit: str
    floor: str = ""
    peer: str = ""


CALL = "x plain call"
STORED = 830
"""25 µs where a plain call takes 30 ns; on a busy machine both take longer."""
SWEEP = "x raw sweep"
TEXT = "x raw text"

GOALS: dict[str, Goal] = {
    "call": Goal(45, CALL, "36-41", "trace-opt 2,090; textgrad 1,360"),
    "operation": Goal(18, CALL, "13", "trace-opt 2,550"),
    "text": Goal(30, CALL, "14", "trace-opt 2,380; textgrad 88"),
    "off": Goal(8, CALL, "5", "trace-opt 2,070"),
    "backward": Goal(20, SWEEP, "7-17"),
    "backward, 1,000": Goal(20, SWEEP, "7-17", "trace-opt 631-8,321 (by shape)"),
    "backward, 10,000": Goal(20, SWEEP, "7-17", "trace-opt 7,013-14,613, dag > 240 s"),
    "growth": Goal(1.2, "exponent", "1.06-1.17", "trace-opt 1.9-2.9"),
    "ruled": Goal(None, SWEEP),
    "held": Goal(300, "bytes", "156-196", "trace-opt 2,895; textgrad 1,236"),
    "kept": Goal(0.5, "bytes", "0", "trace-opt 2,887"),
    "kept by backward": Goal(0.5, "bytes", "64", "trace-opt: quadratic"),
    "dot": Goal(20, TEXT, "2.2", "textgrad 44; trace-opt 191"),
    "svg": Goal(0.2, "s", "0.07", "dot itself 107"),
    "svg, smaller": Goal(None, "s"),
    "decoration": Goal(60, "µs", "2-37", "trace-opt 650-21,000"),
    "decoration and call": Goal(None, "µs"),
    "source reads": Goal(0, "files", "0"),
    "import": Goal(50, "ms", "22", "trace-opt 260; textgrad 2,600"),
    "third parties": Goal(0, "modules", "0", "textgrad 2,651 modules"),
    "version": Goal(3, "x parse+hash", "2.0-2.4", "ell 25-32; weave 7-10"),
    "version again": Goal(20, "µs + 0.2/name", "9", "ell, weave: as the first time"),
    "version growth": Goal(1.2, "exponent"),
    "version, big value": Goal(200, "ms"),
    "stored call": Goal(STORED, CALL, "", "in µs: MLflow 1,170; LangSmith 250; ell 13,000-24,000; OTel 40"),
    "store off": Goal(1, "µs"),
    "ingest": Goal(1.5, "x raw inserts", "1", "MLflow, ell: 70-450"),
    "ingest rate": Goal(100, "µs"),
    "database": Goal(400, "bytes"),
    "question": Goal(20, "ms"),
    "served ingest": Goal(None, "x raw rows", "1"),
    "served ingest rate": Goal(None, "µs"),
    "served database": Goal(None, "bytes"),
    "left out": Goal(None, ""),
    "opening": Goal(None, "ms"),
    "first row": Goal(None, "ms"),
    "journal": Goal(None, "bytes"),
    "threads": Goal(0, "wrong", "0", "trace-opt: wrong inputs"),
    "threads, cost": Goal(None, "x one thread", "1.4", "trace-opt 1.2"),
    "program, sync": Goal(0.5, "ms more"),
    "program, async": Goal(0.7, "ms more"),
    "program, CPU": Goal(None, "ms more"),
    "programs at once": Goal(1.5, "x client alone"),
    "sandbox call": Goal(1, "ms"),
    "sandbox fresh": Goal(5, "ms"),
    "sandbox start": Goal(100, "ms"),
    "sandbox at once": Goal(1.3, "x ideal"),
    "sandbox endless": Goal(1.2, "x its limit"),
    "simulated calls, OptoPrime": Goal(4, "calls", "4", "trace-opt 4"),
    "simulated tokens, OptoPrime": Goal(996, "tokens", "", "trace-opt 996"),
    "simulated calls, TextGrad": Goal(10, "calls", "7", "textgrad 10"),
    "simulated tokens, TextGrad": Goal(5_114, "tokens", "", "textgrad 5,114"),
    "simulated overhead": Goal(1, "ms"),
    "simulated overhead, wall": Goal(None, "ms"),
    "simulated score": Goal(None, "of 1"),
    "simulated crashes": Goal(0, "errors", "0"),
    "simulated adopted": Goal(0, "texts", "0"),
    "simulated overshoot": Goal(0, "rollouts", "0"),
    "simulated count": Goal(None, ""),
    "simulated time": Goal(None, "ms"),
    "simulated latency": Goal(1 / 0.9, "x waiting", "1"),
    "simulated latency, waiting": Goal(None, "x waiting", "1"),
    "simulated latency, client": Goal(1 / 0.9, "x client alone", "1"),
    "simulated idle": Goal(0, "workers", "0"),
    "simulated ungated": Goal(-0.05, "of 1"),
    "simulated false accepts": Goal(0.05, "share", "0"),
    "simulated false accepts, free": Goal(None, "share"),
    "simulated credit": Goal(0.7, "x round robin"),
    "simulated credit, blind": Goal(None, "x round robin"),
    "failed": Goal(None, ""),
    "install size": Goal(None, "MiB", "", "trace-opt 1,138; textgrad 524"),
}
