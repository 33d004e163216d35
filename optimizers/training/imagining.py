"""A run that is only imagined: effects are counted against the budget, and nothing is run, asked or told.

What candidates would be like, nobody knows; so a course says whether proposals help.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optimizers.budget import Ledger
from optimizers.candidate import Advice, Candidate, Proposal
from optimizers.driving.asking import Asking
from optimizers.driving.door import needs
from optimizers.driving.events import Event, Teller
from optimizers.driving.performer import Results
from optimizers.effects import Consult, Effect, Evaluate, Job, Propose, Request
from optimizers.evaluating.dataset import Example
from optimizers.evidence.display import shown
from optimizers.evidence.evidence import Evidence, Line, Value, variable_of
from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.tokens import rough_tokens
from optimizers.roles import Conversation, Counsel, Proposer, Talk
from optimizers.rollout import Cost, Rollout
from tracelib.errors import BudgetExhausted, OptimizerError
from tracelib.feedback.feedback import Feedback
from tracelib.graph.parameter import Parameter
from tracelib.llm.cost import cost_of
from tracelib.llm.guard import Question
from tracelib.llm.model import Model
from tracelib.llm.reply import Reply, Usage

TEXTS = 4
"""Texts that an imagined counsel gives: as many reasons as one of ProTeGi does."""
SAID = json.dumps(
    {
        "suggestion": {},
        "reasons": ["an imagined reason"] * TEXTS,
        **dict.fromkeys(("reasoning", "feedback", "summary", "description"), "imagined"),
    }
)
"""An imagined reply: it has all that a form of ours may ask for."""
SHOWN = 200
MARK = " imagined "


@dataclass(frozen=True)
class Course:
    """How a run is imagined to go: whether each proposal does better than all before it, or none does."""

    helps: bool
    reply_tokens: int
    per_rollout: Cost

    def score(self, place: int, replicate: int) -> float:
        """The score of the candidate that came at this place; below 1, so that no score is perfect.

        Where something helps, runs of the same example differ a little, as those of a model do.
        """
        return (place + 1 - replicate % 2 / 2) / 1e6 if self.helps else 0.5


@dataclass
class Imagination:
    """Performs effects as a Performer does, but in thought."""

    course: Course
    asking: Asking | None
    examples: Mapping[str, Sequence[Example]]
    parameters: Mapping[str, Parameter[Any]]
    ledger: Ledger
    _places: dict[str, int] = field(default_factory=dict)
    _done: dict[str, Any] = field(default_factory=dict)

    def perform(self, effects: Sequence[Effect]) -> Results:
        """The results of these effects in order; of the first ones only, when the budget ends."""
        values: list[Any] = []
        for effect in effects:
            try:
                values.append(self._performed(effect))
            except BudgetExhausted as error:
                return Results(tuple(effects[: len(values)]), tuple(values), error)
        return Results(tuple(effects), tuple(values))

    def _performed(self, effect: Effect) -> Any:
        if isinstance(effect, Evaluate):
            return self._evaluated(effect)
        if effect.key not in self._done:
            self.ledger.reserve(proposals=int(isinstance(effect, Propose)))
            self._done[effect.key] = self._answer(effect)
        return self._done[effect.key]

    # Runs

    def _evaluated(self, effect: Evaluate) -> tuple[Rollout, ...]:
        fresh = {job.key for job in effect.jobs if not self._known(job)}
        per, count = self.course.per_rollout, len(fresh)
        self.ledger.reserve(
            rollouts=count,
            calls=per.calls * count,
            tokens=(per.tokens or 0) * count,
            dollars=(per.dollars or 0) * count,
        )
        self.ledger.charge(Cost(0, per.tokens and 0, per.dollars and 0.0))  # what is unknown stays so
        self._done.update(dict.fromkeys(fresh))
        return tuple(map(self._rollout, effect.jobs))

    def _known(self, job: Job) -> bool:
        return job.key in self._done or replace(job, evidence=True).key in self._done

    def _rollout(self, job: Job) -> Rollout:
        place = self._places.setdefault(job.candidate.id, len(self._places))
        score = self.course.score(place, job.replicate)
        example = self.examples[job.split][job.example]
        heard = f"expected {shown(example.expected, SHOWN)}" if example.expects else "an imagined remark"
        feedback = Feedback.of(heard)
        output = str(shown(example.expected if example.expects else "", SHOWN))
        evidence = self._evidence(job.candidate, example, feedback) if job.evidence else None
        return Rollout(
            job.example, job.split, score, feedback, evidence, output=output, replicate=job.replicate
        )

    def _evidence(self, candidate: Candidate, example: Example, feedback: Feedback) -> Evidence:
        """One call that used every parameter and the example."""
        given = {
            f"input{place}": value for place, value in enumerate([*example.args, *example.kwargs.values()])
        }
        names = [*self.parameters, *given]
        return Evidence(
            code=(Line("output", "program", tuple((name, name) for name in names)),),
            variables=tuple(
                variable_of(name, one, candidate.values[name]) for name, one in self.parameters.items()
            ),
            inputs=tuple(Value(name, shown(value, SHOWN)) for name, value in given.items()),
            outputs=(Value("output", Excerpt.of("imagined", SHOWN)),),
            feedback=feedback,
            on_path=1,
        )

    # Questions

    def _answer(self, request: Request) -> Candidate | Advice:
        if self.asking is None:
            raise OptimizerError("the strategy asks for proposals, and this run has no proposer")
        answering = self.asking.answering(request)
        if isinstance(request, Consult):
            advised = self._led(answering.advise(request)) if isinstance(answering, Counsel) else None
            texts = advised.texts if isinstance(advised, Advice) else ()
            return Advice(texts or ("an imagined text",) * TEXTS)
        if isinstance(answering, Proposer):
            self._ask(answering.messages(request))
        elif isinstance(answering, Conversation):
            self._led(answering.converse(request, _as_it_is))
        return self._imagined(request)

    def _led(self, talk: Talk[Any]) -> Any:
        """What a talk ends in when every reply holds all that one of our forms may ask for."""
        try:
            questions = next(talk)
            while True:
                for messages in questions:
                    self._ask(messages)
                questions = talk.send([SAID] * len(questions))
        except StopIteration as end:
            return end.value

    def _ask(self, messages: Any) -> None:
        model = self.asking.model if self.asking is not None else None
        tokens = rough_tokens(json.dumps(messages, ensure_ascii=False))
        usage = Usage(tokens, self.course.reply_tokens, tokens + self.course.reply_tokens)
        if model is None:
            self.ledger.charge(Cost(1, usage.total_tokens, None))
            return
        question = _question(model, messages)
        reserved = needs(question, self.ledger)
        self.ledger.reserve(**reserved)
        dollars, _ = cost_of(Reply("", usage), question, model.prices)
        self.ledger.settle(reserved, Cost(1, usage.total_tokens, dollars))

    def _imagined(self, request: Propose) -> Candidate:
        """A candidate that nobody has seen, with one parameter changed."""
        names = request.names or tuple(request.candidate.values)
        nth = len(self._done)
        changed = _other(request.candidate.values[names[0]], nth)
        parents = [request.candidate.id, *(one.id for one in request.others)]
        return request.candidate.edit({names[0]: changed}, "imagined", parents)


class Silent(Teller):
    """Tells nobody: what is imagined did not happen."""

    def __init__(self) -> None:
        super().__init__(())

    def tell(self, event: Event) -> None:
        """Nothing."""


def _as_it_is(proposal: Proposal) -> Proposal:
    return proposal


def _question(model: Model, messages: Any) -> Question:
    return Question(
        model.name, model.provider, list(messages), dict(model.defaults), model.prices.get(model.name)
    )


def _other(value: Any, nth: int) -> Any:
    """Another value of about the same length."""
    if isinstance(value, str):
        return f"{value.partition(MARK)[0]}{MARK}{nth}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value + nth + 1
    if isinstance(value, list):
        return [*(item for item in value if not str(item).startswith(MARK)), f"{MARK}{nth}"]
    if isinstance(value, dict):
        return {**value, MARK: nth}
    return f"{MARK}{nth}"
