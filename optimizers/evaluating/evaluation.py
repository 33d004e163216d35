"""Runs a program on one example with a candidate's values bound, and measures what it gave.

It is what a driver calls for each job; it knows examples and metrics, not strategies or budgets.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from optimizers.driving.crew import is_async
from optimizers.driving.performer import drive
from optimizers.effects import Job
from optimizers.evaluating.dataset import Example
from optimizers.evaluating.measure import Measure, measured
from optimizers.evaluating.subject import Bindings, Subject, program_parameters
from optimizers.evidence.display import shown
from optimizers.evidence.evidence import Evidence, evidence_of
from optimizers.rollout import Rollout
from tracelib.errors import ExecutionError, OptimizerError
from tracelib.feedback.backward import carry
from tracelib.feedback.feedback import Feedback, Remark
from tracelib.feedback.report import Report
from tracelib.graph.containers import nodes_of, seen
from tracelib.graph.node import Node
from tracelib.graph.parameter import Parameter, bind

OUTPUT_LIMIT = 200
"""Characters of an output that a rollout keeps."""
EXPECTED_LIMIT = 1_000
"""Characters of what was expected, in the remark for a metric that gave none."""


class ProgramEvaluator:
    """An evaluator made of a program, a metric and the examples of each split.

    Several jobs run at once: values are bound in the job's own context. `unreached` gathers why feedback
    does not get to some parameters, by path, from the jobs that ask for evidence.
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
        measure = measured(await self._here(self._judged(value, example)))
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

    def __getstate__(self) -> dict[str, Any]:
        """For other processes: parameters go as paths, for the program's own must be the ones bound there."""
        own = {id(parameter): path for path, parameter in program_parameters(self.program).items()}
        parameters = self.subject.parameters
        outside = [name for name, parameter in parameters.items() if id(parameter) not in own]
        if outside:
            raise OptimizerError(
                f"{', '.join(outside)} is not part of the program, so another process would not see its "
                "values: hold it in a Module, or use threads"
            )
        return {
            "program": self.program,
            "metric": self.metric,
            "examples": self.examples,
            "paths": {name: own[id(parameter)] for name, parameter in parameters.items()},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = program_parameters(state["program"])
        parameters: dict[str, Parameter[Any]] = {name: own[path] for name, path in state["paths"].items()}
        self.__init__(state["program"], state["metric"], state["examples"], Subject(parameters))  # type: ignore[misc]


def _told(measure: Measure, example: Example) -> Feedback:
    """The feedback; what was expected is added when the metric gave nothing but numbers."""
    if not measure.bare or not example.answers:
        return measure.feedback
    return measure.feedback | Feedback((Remark(f"expected {shown(example.expected, EXPECTED_LIMIT)}"),))


async def _awaited(value: Any) -> Any:
    return await value
