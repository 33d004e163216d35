"""A small world with a known optimum, at the top level of a module so that other processes can import it."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from typing import Any

from optimizers.candidate import Advice, Candidate, Proposal
from optimizers.driving.outcome import Outcome
from optimizers.effects import Consult, Job, Propose
from optimizers.policies.space import Choice, Real, Whole
from optimizers.proposers.merge import Merge
from optimizers.roles import Asked, Talk
from optimizers.rollout import Rollout
from tracelib.feedback.feedback import Feedback
from tracelib.llm.reply import Reply, Usage

SPACES = {"x": Real(0.0, 1.0), "n": Whole(0, 9), "c": Choice(("a", "b", "c"))}
SEED = Candidate({"x": 0.1, "n": 1, "c": "a"})


def height(job: Job) -> Rollout:
    """Highest at x = 0.7, n = 6, c = "b"; the examples differ a little."""
    values = job.candidate.values
    score = 3 - abs(values["x"] - 0.7) - abs(values["n"] - 6) / 10 - (values["c"] != "b")
    feedback = Feedback.of(f"off by {3 - score:.4f}")
    return Rollout(job.example, job.split, score + job.example / 100, feedback)


def halves(job: Job) -> Rollout:
    """x gains the even examples, n the odd ones; each loses a bit of the other half until both are there."""
    done = job.candidate.values["x"] > 0.1, job.candidate.values["n"] > 1
    mine, other = done if job.example % 2 == 0 else done[::-1]
    return Rollout(job.example, job.split, 1.0 if mine else 0.4 if other else 0.5)


async def awaited_height(job: Job) -> Rollout:
    await asyncio.sleep(0)
    return height(job)


def crashing_height(job: Job) -> Rollout:
    """Fails on every third example of all candidates with n above 4."""
    if job.candidate.values["n"] > 4 and job.example % 3 == 0:
        raise ValueError("too steep")
    return height(job)


class Counted:
    """An evaluator that counts its runs, and dies before run number `dies_at`."""

    def __init__(self, evaluate: Any = height, dies_at: int | None = None) -> None:
        self.runs: list[str] = []
        self._evaluate = evaluate
        self._dies_at = dies_at
        self._lock = threading.Lock()

    def __call__(self, job: Job) -> Rollout:
        with self._lock:
            if self._dies_at is not None and len(self.runs) >= self._dies_at:
                raise Killed
            self.runs.append(job.key)
        return self._evaluate(job)


class Killed(BaseException):
    """The process is gone."""


class Writer:
    """A proposer whose prompt and reply are JSON: values in, values out."""

    def messages(self, request: Propose) -> list[dict[str, Any]]:
        asked = {
            "values": dict(request.candidate.values),
            "heard": [rollout.feedback.text for rollout in request.evidence],
            "nth": request.nth,
            "kind": request.kind,
            "names": list(request.names),
            "others": [dict(other.values) for other in request.others],
            "notes": list(request.notes),
            "history": [[dict(attempt.values), attempt.score] for attempt in request.history],
        }
        return [{"role": "user", "content": json.dumps(asked)}]

    def parse(self, reply: str, request: Propose) -> Proposal:
        try:
            return Proposal(json.loads(reply), reason="it was written so", reply=reply)
        except ValueError as error:
            return Proposal({}, reply=reply, problem=f"not JSON: {error}")

    def repair(self, reply: str, proposal: Proposal, request: Propose) -> list[dict[str, Any]]:
        again = {"role": "user", "content": f"repair: {proposal.problem}"}
        return [*self.messages(request), {"role": "assistant", "content": reply}, again]


class Adviser:
    """A counsel whose reply is a JSON list of texts."""

    def advise(self, request: Consult) -> Talk[Advice]:
        asked = {"kind": request.kind, "nth": request.nth, "values": dict(request.candidate.values)}
        (reply,) = yield [[{"role": "user", "content": json.dumps(asked)}]]
        return Advice(tuple(json.loads(reply)), reply)


class Picked:
    """Fills parameters with a number made of the evidence and the request, or a list of it; asks nobody."""

    def choose(self, request: Propose, rng: random.Random) -> Proposal:
        seen = [rollout.example for rollout in request.evidence]
        number, values = (13 * sum(seen) + 29 * request.nth) % 97 / 97, request.candidate.values
        lists = tuple(name for name in request.names or values if isinstance(values[name], list))
        return Proposal({name: [number] for name in lists} or {"x": number}, "picked")


OTHERS: dict[str, Asked] = {
    "merge": Merge({}),
    "demos": Picked(),
    **dict.fromkeys(("edit", "paraphrase", "crossover", "difference", "instruct", "rule"), Writer()),
    **dict.fromkeys(("gradient", "data", "program"), Adviser()),
}
"""Who answers the further kinds of requests that strategies make."""


def improving(messages: list[dict[str, Any]]) -> Reply:
    """A model's reply that depends on the question only: values get better, each fourth is malformed."""
    asked = json.loads(messages[0]["content"])
    if "names" not in asked:
        return Reply(json.dumps([f"{asked['kind']} {asked['nth']}", "the other"]), Usage(10, 5, 15))
    if asked["nth"] % 4 == 3 and len(messages) == 1:
        return Reply("{", Usage(10, 5, 15))
    values = asked["values"]
    better = {
        "x": min(1.0, values["x"] + 0.1),
        "n": min(9, values["n"] + 1 + asked["nth"] % 2),
        "c": "b",
    }
    return Reply(json.dumps({name: better[name] for name in asked["names"] or ["n"]}), Usage(10, 5, 15))


def told(outcome: Outcome) -> dict[str, Any]:
    """Everything about an outcome that must not depend on who ran it or when, nor on interruptions."""
    counts = outcome.spent.to_json()
    del counts["seconds"]
    entries = [
        {
            "candidate": entry.candidate.to_json(),
            "rollouts": {
                split: [entry.rollouts[split][place].content() for place in sorted(entry.rollouts[split])]
                for split in sorted(entry.rollouts)
            },
        }
        for entry in outcome.archive.entries
    ]
    return {
        "winner": outcome.winner.to_json(),
        "entries": entries,
        "rejected": [rejected.to_json() for rejected in outcome.archive.rejected],
        "verdict": outcome.verdict and outcome.verdict.reason,
        "stopped": outcome.stopped,
        "notes": outcome.notes,
        "spent": counts,
    }
