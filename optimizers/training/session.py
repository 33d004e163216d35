"""One call of `fit`: everything that is settled before the first run, and what is told at its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from optimizers.candidate import Candidate, Proposal
from optimizers.conversation import talk_of
from optimizers.driver import Driver
from optimizers.driving.asking import Asking
from optimizers.driving.outcome import Outcome, Splits
from optimizers.effects import Propose
from optimizers.evaluating.dataset import Example, examples_of
from optimizers.evaluating.evaluation import ProgramEvaluator
from optimizers.evaluating.subject import home_of
from optimizers.journal import Journal
from optimizers.result import Origin, Result, result_of
from optimizers.results.chronicle import Chronicle
from optimizers.roles import Check, Conversation, Proposer, Strategy, Talk
from optimizers.search import Plan
from optimizers.training.identity import code_of
from tracelib.errors import OptimizerError

Examples: TypeAlias = dict[str, tuple[Example, ...]]


@dataclass(frozen=True)
class Data:
    """The splits as a user gave them: any iterables of examples, None where there is no such split."""

    train: Iterable[Any]
    validation: Iterable[Any] | None = None
    test: Iterable[Any] | None = None

    def examples(self) -> Examples:
        """The examples of each split that there is; raises OptimizerError that names a bad one."""
        found = {"train": examples_of(self.train, "train")}
        for split, data in (("validation", self.validation), ("test", self.test)):
            if data is not None:
                found[split] = examples_of(data, split)
        return found


@dataclass(frozen=True)
class Session:
    """One call of `fit`. `by` is who changes the parameters, `proposers` are versions of meta-prompts.

    `asking` is as it was given; that of the driver refuses what has nothing to show.
    """

    driver: Driver
    plan: Plan
    start: Candidate
    evaluator: ProgramEvaluator
    by: str
    proposers: dict[str, str] = field(default_factory=dict)
    chronicle: Chronicle = field(default_factory=Chronicle)
    asking: Asking | None = None

    @property
    def journal(self) -> Journal:
        """What is kept, in memory where no file was named."""
        return self.driver.journal or Journal(None, {})

    @property
    def splits(self) -> Splits:
        sizes = {split: len(found) for split, found in self.evaluator.examples.items()}
        return Splits(sizes["train"], sizes.get("validation"), sizes.get("test", 0))

    @property
    def strategy(self) -> Strategy:
        return self.plan.strategy

    def finish(self, outcome: Outcome) -> Result:
        """Apply the winner, and tell what happened."""
        subject = self.evaluator.subject
        updates = subject.apply(outcome.seed, outcome.winner, self.by, outcome.score)
        home = home_of(self.evaluator.program)
        origin = Origin(
            None if self.journal.path is None else str(self.journal.path),
            {name: one.program or home for name, one in subject.parameters.items()},
            self.proposers,
        )
        return result_of(outcome, (*self.plan.notes, *self._notes(outcome)), origin, updates, self.chronicle)

    def _notes(self, outcome: Outcome) -> list[str]:
        flattered = "there is no validation split: candidates were judged on train, which flatters them"
        idle = (
            "no proposal was asked for: every minibatch had the perfect score already "
            "(strategy=Gated(perfect=None) asks all the same)"
        )
        asked = outcome.spent.proposals > 0 or self.driver.asking is None or outcome.stopped
        unreached = self.evaluator.why_unreached().items()
        return [
            *([flattered] if self.splits.validation is None and self._generalises else []),
            *([] if asked else [idle]),
            *self._chosen(outcome),
            *self._confined(outcome),
            *self._changed(),
            *(f"feedback did not reach {path}: {reason}" for path, reason in unreached),
        ]

    def _changed(self) -> list[str]:
        """What has other code than when the journal was begun; what had ended is taken as it was."""
        if not self.journal.also:
            return []
        now = code_of(self.evaluator.program, self.evaluator.metric)
        changed = [what for what in now if self.journal.also.get(what) != now[what]]
        return [
            f"the {what} has other code than when {self.journal.path} was begun; what had ended was taken "
            "from there: choose a new file to run all of it anew"
            for what in changed
        ]

    def _chosen(self, outcome: Outcome) -> list[str]:
        """That the best of many looks better than it is, where no test split tells how good it is."""
        judged = [one for one in outcome.archive.candidates if outcome.rollouts(one, self.splits.judge)]
        if not outcome.improved or self.splits.test or self.splits.validation is None or len(judged) < 3:
            return []
        return [
            f"the winner is the best of {len(judged)} candidates on validation, which flatters its score "
            "there; a test split tells how good it is"
        ]

    def _confined(self, outcome: Outcome) -> list[str]:
        """In which sandbox proposed code ran, where there was any."""
        subject = self.evaluator.subject
        code = [path for path, parameter in subject.parameters.items() if parameter.is_code]
        wrote = any(one.changed_from(outcome.seed).keys() & set(code) for one in outcome.archive.candidates)
        if not wrote or subject.confinement is None:
            return []
        return [f"code that the model wrote ran in the sandbox {subject.confinement.name!r}"]

    @property
    def _generalises(self) -> bool:
        """Whether there are examples that others may follow; one without content is the task itself."""
        return any(one.args or one.kwargs or one.expects for one in self.evaluator.examples["train"])


@dataclass(frozen=True)
class Reached:
    """A proposer that refuses, before a model is paid, to ask about runs that no parameter took part in."""

    proposer: Proposer | Conversation
    evaluator: ProgramEvaluator

    def converse(self, request: Propose, check: Check) -> Talk[Proposal]:
        seen = [rollout.evidence for rollout in request.evidence if rollout.evidence is not None]
        if request.evidence and not any(evidence.variables for evidence in seen):
            raise OptimizerError(self._why(request, bool(seen)))
        return (yield from talk_of(self.proposer, request, check))

    def _why(self, request: Propose, recorded: bool) -> str:
        failures = [rollout.error for rollout in request.evidence if rollout.failed]
        if not recorded and len(failures) == len(request.evidence):
            return (
                f"every run failed before anything was recorded, the first one with {failures[0]}: mend the "
                "program, or make bundles of the parts that may fail, so that a model can be shown how"
            )
        if not recorded:
            return (
                "the program's output was not recorded, so there is nothing to show a model: return what a "
                "bundle or an operation on nodes gave, not its .data"
            )
        reasons = "; ".join(f"{path}: {reason}" for path, reason in self.evaluator.why_unreached().items())
        return f"the feedback reaches no parameter, so no model was asked. {reasons}"


def refusing(asking: Asking, evaluator: ProgramEvaluator) -> Asking:
    """The same, but that its proposer does not ask about runs that have nothing to show."""
    if not isinstance(asking.proposer, Proposer | Conversation):
        return asking
    return replace(asking, proposer=Reached(asking.proposer, evaluator))
