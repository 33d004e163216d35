"""Talking to a model as a generator: it yields questions, hears the replies, and returns what came of them.

Whoever drives a talk asks, counts and keeps; a talk knows none of it. Questions yielded together are
asked at the same time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from optimizers.candidate import Proposal
from optimizers.effects import Propose
from optimizers.roles import Check, Conversation, Messages, Proposer, Talk
from tracelib.llm.reply import Reply

R = TypeVar("R")

Ask: TypeAlias = Callable[[list[Messages]], Awaitable[list[Reply]]]
"""Asks several questions at the same time; the replies come in the same order."""


def talk_of(proposer: Proposer | Conversation, request: Propose, check: Check) -> Talk[Proposal]:
    """The talk that makes one proposal."""
    if isinstance(proposer, Conversation):
        return proposer.converse(request, check)
    return asked(proposer, request, check)


def asked(proposer: Proposer, request: Propose, check: Check) -> Talk[Proposal]:
    """One question, and one more with what was wrong when its reply cannot be used."""
    proposal = yield from _round(proposer, request, check, proposer.messages(request))
    if proposal.problem is None:
        return proposal
    return (yield from _round(proposer, request, check, proposer.repair(proposal.reply, proposal, request)))


def _round(proposer: Proposer, request: Propose, check: Check, question: Messages) -> Talk[Proposal]:
    (reply,) = yield [question]
    return check(proposer.parse(reply, request).said_in(reply))


async def held(talk: Talk[R], ask: Ask) -> R:
    """The result of a talk, its questions asked."""
    try:
        questions = next(talk)
        while True:
            replies = await ask(questions)
            questions = talk.send([reply.text for reply in replies])
    except StopIteration as end:
        result: R = end.value
        return result


def together(talks: Sequence[Talk[R]]) -> Talk[list[R]]:
    """Several talks in step: what they ask at the same time goes out at the same time; results in order."""
    results: dict[int, R] = {}
    waiting = {place: _next(talk, None, place, results) for place, talk in enumerate(talks)}
    while len(results) < len(talks):
        open_ = {place: questions for place, questions in waiting.items() if questions is not None}
        replies = iter((yield [question for questions in open_.values() for question in questions]))
        waiting = {
            place: _next(talks[place], [next(replies) for _ in questions], place, results)
            for place, questions in open_.items()
        }
    return [results[place] for place in range(len(talks))]


def _next(
    talk: Talk[R], replies: list[str] | None, place: int, results: dict[int, R]
) -> list[Messages] | None:
    """What the talk asks next; None when it is over, its result then stands in `results`."""
    try:
        return next(talk) if replies is None else talk.send(replies)
    except StopIteration as end:
        results[place] = end.value
        return None
