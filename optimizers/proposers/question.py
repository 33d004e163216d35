"""One question to a model with a standing text and a record, and one more when its reply cannot be used."""

from __future__ import annotations

from typing import TypeVar

from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.reply import Form, read
from optimizers.proposers.texts import filled
from optimizers.roles import Messages, Talk
from tracelib.errors import InvalidReply

REPLY_LIMIT = 8_000
"""Characters of an unusable reply that are quoted back."""

F = TypeVar("F", bound=Form)


def question(standing: str, record: str) -> Messages:
    """What stays the same from call to call first, the record last."""
    return [{"role": "system", "content": standing}, {"role": "user", "content": record}]


def asked_again(asked: Messages, reply: str, problem: str, form: type[Form], names: str = "") -> Messages:
    """The question with the reply to it and what is wrong with that."""
    again = filled("repair.md", problem=problem, form=form.shape, names=names)
    said = str(Excerpt.of(reply, REPLY_LIMIT)) if reply.strip() else "(an empty reply)"
    return [*asked, {"role": "assistant", "content": said}, {"role": "user", "content": again}]


def answered(asked: Messages, form: type[F]) -> Talk[tuple[F, str]]:
    """The answer to a question and the reply it was read from; raises InvalidReply after two bad ones."""
    (reply,) = yield [asked]
    try:
        return read(reply, form), reply
    except InvalidReply as error:
        problem = str(error)
    (reply,) = yield [asked_again(asked, reply, problem, form)]
    return read(reply, form), reply
