"""Jobs for other processes, as JSON texts: by which name the evaluator is found there, and what it is given.

Whatever executor carries them, nothing of ours is pickled: a parcel is a text, and so is its answer.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol, runtime_checkable

from optimizers.candidate import Candidate, canonical
from optimizers.driving.addresses import Code, found_at
from optimizers.driving.performer import sound
from optimizers.effects import Job
from optimizers.roles import Evaluator
from optimizers.rollout import Cost, Rollout
from tracelib.errors import OptimizerError, TraceError
from tracelib.llm.guard import Question, guarded
from tracelib.llm.reply import Reply


@runtime_checkable
class Portable(Protocol):
    """An evaluator that another process can make again: `opener` names what makes it of `packed`."""

    opener: str

    def packed(self, jobs: Sequence[Job]) -> dict[str, Any]: ...


def parcel_of(evaluate: Evaluator, jobs: Sequence[Job], limited: bool) -> str:
    """The jobs as a text; raises OptimizerError that says what cannot go to another process.

    `limited` forbids to ask models there.
    """
    if isinstance(evaluate, Portable):
        opener, content = evaluate.opener, evaluate.packed(jobs)
    else:
        opener, content = f"{__name__}:{named.__name__}", asdict(Code.of(evaluate, "evaluator"))
    told = [_job_to_json(job) for job in jobs]
    return canonical({"opener": opener, "content": content, "jobs": told, "limited": limited})


def named(content: Mapping[str, Any]) -> Evaluator:
    """An evaluator that is found by its name."""
    found: Evaluator = Code(**content).found()
    return found


def run_parcel(text: str) -> str:
    """Run the jobs of a parcel in this process, which is a worker's; the answer is for `rollouts_of`."""
    parcel = json.loads(text)
    try:
        evaluate: Evaluator = found_at(parcel["opener"])(parcel["content"])
        jobs = map(_job_from_json, parcel["jobs"])
        done = [_run_job(evaluate, job, parcel["limited"]).to_json() for job in jobs]
    except TraceError as refusal:
        return json.dumps({"refused": str(refusal)})
    return json.dumps({"rollouts": done})


def rollouts_of(answer: str) -> list[Rollout]:
    """One rollout per job, in the same order; raises OptimizerError where the worker refused the parcel."""
    told = json.loads(answer)
    if "refused" in told:
        raise OptimizerError(told["refused"])
    return [Rollout.from_json(each) for each in told["rollouts"]]


def _job_to_json(job: Job) -> dict[str, Any]:
    return {**{name: getattr(job, name) for name in _PLAIN}, "candidate": job.candidate.to_json()}


def _job_from_json(data: Mapping[str, Any]) -> Job:
    return Job(Candidate.from_json(data["candidate"]), **{name: data[name] for name in _PLAIN})


_PLAIN = ("split", "example", "replicate", "evidence")


def _run_job(evaluate: Evaluator, job: Job, limited: bool) -> Rollout:
    tally, began = Tally(limited), time.perf_counter()
    try:
        with guarded(tally):
            rollout = evaluate(job)
            done = sound(job, asyncio.run(_awaited(rollout)) if inspect.isawaitable(rollout) else rollout)
    except Exception as error:  # the user's program or metric failed: that is a rollout too
        done = job.failure(f"{type(error).__name__}: {error}")
    if tally.refused is not None:
        raise tally.refused
    return replace(done, cost=replace(tally.cost, seconds=time.perf_counter() - began))


async def _awaited(value: Any) -> Any:
    return await value


class Tally:
    """The guard of a job in another process: counts its model calls, or forbids them.

    The ledger is not there, so a call could not be reserved before it is made.
    """

    def __init__(self, limited: bool) -> None:
        self.cost = Cost()
        self.refused: OptimizerError | None = None
        self._limited = limited

    def __call__(self, question: Question) -> Generator[Question, Reply, Reply]:
        if self._limited:
            self.refused = OptimizerError(
                f"the program asks {question.model!r} in another process, where calls, tokens and dollars "
                "cannot be reserved before they are spent: use threads, or a budget in rollouts"
            )
            raise self.refused
        reply = yield question
        self.cost += Cost(1, reply.usage.total_tokens, reply.cost)
        return reply
