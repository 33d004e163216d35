"""Runs a program on one example with a candidate's values bound, and measures what it gave.

It is what a driver calls for each job; it knows examples and metrics, not strategies or budgets.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from optimizers.candidate import Candidate
from optimizers.driving.crew import is_async
from optimizers.driving.performer import drive
from optimizers.effects import Job
from optimizers.evaluating.dataset import Example
from optimizers.evaluating.measure import Measure, measured
from optimizers.evaluating.portable import (
    confinement_from_json,
    confinement_to_json,
    example_from_json,
    example_to_json,
    parameter_at,
    program_to_json,
    thing_from_json,
)
from optimizers.evaluating.subject import Bindings, Subject, program_parameters
from optimizers.evidence.display import shown
from optimizers.evidence.evidence import Evidence, evidence_of
from optimizers.roles import Evaluator
from optimizers.rollout import Rollout
from tracelib.errors import ExecutionError
from tracelib.feedback.backward import carry
from tracelib.feedback.feedback import Feedback, Remark
from tracelib.feedback.report import Report
from tracelib.graph.containers import nodes_of, seen
from tracelib.graph.node import Node
from tracelib.graph.parameter import bind
from tracelib.sandbox.confine import confine

OUTPUT_LIMIT = 200
"""Characters of an output that a rollout keeps."""
EXPECTED_LIMIT = 1_000
"""Characters of what was expected, in the remark for a metric that gave none."""


class ProgramEvaluator:
    """An evaluator made of a program, a metric and the examples of each split.

    Several jobs run at once: values are bound in the job's own context, for the metric too. `unreached`
    gathers why feedback does not get to some parameters, by path, from the jobs that ask for evidence.
    """

    def __init__(
        self,
        program: Callable[..., Any],
        metric: Callable[..., Any],
        examples: Mapping[str, tuple[Example, ...]],
        subject: Subject,
    ) -> None:
        self.program = program
        self.metric = metric
        self.examples = examples
        self.subject = subject
        self.is_async = is_async(program) or is_async(metric)
        self.unreached: dict[str, str] = {}
        self.reached: set[str] = set()
        self._bindings = Bindings(subject)

    def __call__(self, job: Job) -> Rollout | Awaitable[Rollout]:
        steps = self._rollout(job)
        return steps if self.is_async else drive(steps)

    async def _rollout(self, job: Job) -> Rollout:
        example = self.examples[job.split][job.example]
        with bind(self._bindings.of(job.candidate)):
            try:
                output = await self._here(self.program(*example.args, **example.kwargs))
            except ExecutionError as error:
                return self._failed(job, error)
            kept, value = seen(output)
            try:
                measure = measured(await self._here(self._judged(value, example)))
            except Exception as error:  # the metric is the user's code: the example has failed, and no score
                return self._unjudged(job, nodes_of(kept), value, error)
        feedback = _told(measure, example)
        evidence = self._evidence(nodes_of(kept), feedback) if job.evidence else None
        view = str(shown(value, OUTPUT_LIMIT))
        return Rollout(
            job.example, job.split, measure.score, feedback, evidence, output=view, scores=measure.scores
        )

    def _judged(self, value: Any, example: Example) -> Any:
        return self.metric(value, example.expected) if example.expects else self.metric(value)

    async def _here(self, value: Any) -> Any:
        """The value, awaited where it has to be."""
        if not inspect.isawaitable(value):
            return value
        if self.is_async:
            return await value
        # Not declared async, yet it gave something to await: this thread has no loop, so it gets one.
        return asyncio.run(_awaited(value))

    def _failed(self, job: Job, error: ExecutionError) -> Rollout:
        cause = error.__cause__ or error
        said = f"{type(cause).__name__}: {cause}"
        feedback = Feedback.of(f"the run failed with {said}")
        failure = job.failure(said, feedback)
        if not job.evidence:
            return failure
        return replace(failure, evidence=self._evidence((error.exception_node,), feedback))

    def _unjudged(self, job: Job, outputs: tuple[Node[Any], ...], value: Any, error: Exception) -> Rollout:
        said = f"{type(error).__name__}: {error}"
        feedback = Feedback.of(f"the metric failed with {said}")
        evidence = self._evidence(outputs, feedback) if job.evidence else None
        failure = job.failure(said, feedback)
        return replace(failure, evidence=evidence, output=str(shown(value, OUTPUT_LIMIT)))

    def _evidence(self, outputs: tuple[Node[Any], ...], feedback: Feedback) -> Evidence | None:
        if not outputs:
            return None
        report = carry(outputs, feedback)
        heard = {id(parameter): part for parameter, part in report.heard}
        evidence = evidence_of(report.graph, feedback, self.subject.parameters, heard)
        self._note_reached(report, evidence)
        return evidence

    def _note_reached(self, report: Report, evidence: Evidence) -> None:
        self.reached.update(variable.name for variable in evidence.variables)
        missing = {
            id(parameter): path
            for path, parameter in self.subject.parameters.items()
            if path not in self.reached and path not in self.unreached
        }
        if missing:
            for parameter, reason in report.about(self.subject.parameters.values()).unreached:
                if id(parameter) in missing:
                    self.unreached[missing[id(parameter)]] = reason

    def why_unreached(self) -> dict[str, str]:
        """Why feedback got to a parameter in none of the runs, by path."""
        return {path: reason for path, reason in self.unreached.items() if path not in self.reached}

    # In other processes

    opener: ClassVar[str] = "optimizers.evaluating.evaluation:opened"

    def packed(self, jobs: Sequence[Job]) -> dict[str, Any]:
        """What another process needs for these jobs; raises OptimizerError that says what cannot go there."""
        given = {
            f"{job.split}[{job.example}]": example_to_json(
                self.examples[job.split][job.example], f"{job.split}[{job.example}]"
            )
            for job in jobs
        }
        return {**self._program, "examples": given, "confinement": confinement_to_json(self.subject)}

    @cached_property
    def _program(self) -> dict[str, Any]:
        return program_to_json(self.program, self.metric, self.subject.parameters)


def opened(content: Mapping[str, Any]) -> Evaluator:
    """The evaluator in another process, of what `packed` gave."""
    program, metric = (thing_from_json(content[name]) for name in ("program", "metric"))
    own = program_parameters(program)
    trained = {name: parameter_at(place, own) for name, place in content["trained"].items()}
    confinement = confinement_from_json(content["confinement"])
    for path, source in content["learned"].items():  # what was learned before runs here as it does there
        confine({**own, **trained}[path], source, confinement or "auto")
    others = Subject(own, None).values(Candidate(content["others"]))
    # By number, like the tuples that they are there: only those of these jobs came along.
    examples: defaultdict[str, Any] = defaultdict(dict)
    for place, example in content["examples"].items():
        split, _, number = place.removesuffix("]").rpartition("[")
        examples[split][int(number)] = example_from_json(example)
    inside = ProgramEvaluator(program, metric, examples, Subject(trained, confinement))

    def evaluate(job: Job) -> Rollout:
        with bind(others):
            rollout = inside(job)
            return asyncio.run(_awaited(rollout)) if inspect.isawaitable(rollout) else rollout

    return evaluate


def _told(measure: Measure, example: Example) -> Feedback:
    """The feedback; what was expected is added when the metric gave nothing but numbers."""
    if not measure.bare or not example.answers:
        return measure.feedback
    return measure.feedback | Feedback((Remark(f"expected {shown(example.expected, EXPECTED_LIMIT)}"),))


async def _awaited(value: Any) -> Any:
    return await value
