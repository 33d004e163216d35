"""One question of a program: what is sent, what its reply is to the caller, and what is asked again.

Written once for blocking and awaited calls: a generator yields messages and parameters, and is sent the
reply or the failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import pydantic

from tracelib.errors import BadRequest, GraphError, InvalidReply
from tracelib.llm.message import Message, assistant, plain, system, user
from tracelib.llm.model import Model
from tracelib.llm.reply import Reply
from tracelib.programs.tool import by_name

FORMATS = SCHEMA, JSON, WORDS = ("json_schema", "json_object", "words")
"""The ways to ask for an object: by a schema, for JSON that a message describes, or by the message alone."""
UNKNOWN_FORMAT = (400, 404, 415, 422, 501)
"""Statuses with which endpoints refuse a response format that they do not know."""
FORMAT_WORDS = ("response_format", "json_schema", "json_object", "text.format", "structured output")
"""Words of an endpoint's refusal of a format."""
NO_NAME = re.compile("[^A-Za-z0-9_-]")
"""What endpoints take in no name of a schema, such as the brackets of a generic class."""
ANSWER = re.compile(r"<answer>(.*)</answer>", re.DOTALL)

Turn = tuple[list[Message], dict[str, Any]]
"""Messages and parameters of one exchange."""
Turns = Generator[Turn, Reply, Any]


def ask(model: Model, question: Question) -> Any:
    """What the model's reply is to the caller."""
    turns = question.turns()
    go_on: Callable[[], Turn] = partial(next, turns)
    while True:
        try:
            messages, params = go_on()
        except StopIteration as end:
            return end.value
        try:
            go_on = partial(turns.send, model.ask(messages, **params))
        except BadRequest as error:
            go_on = partial(turns.throw, error)


async def ask_later(model: Model, question: Question) -> Any:
    """`ask`, to be awaited."""
    turns = question.turns()
    go_on: Callable[[], Turn] = partial(next, turns)
    while True:
        try:
            messages, params = go_on()
        except StopIteration as end:
            return end.value
        try:
            go_on = partial(turns.send, await model.aask(messages, **params))
        except BadRequest as error:
            go_on = partial(turns.throw, error)


@dataclass(frozen=True)
class Question:
    """The conversation, what goes with it, and whether the whole Reply is wanted.

    `formats` are the ways to ask for an object that the endpoint is not known to refuse, best first; one
    that it refuses is taken out of the list.
    """

    messages: list[Message]
    given: Mapping[str, Any]
    raw: bool = False
    formats: list[str] = field(default_factory=lambda: list(FORMATS))

    @cached_property
    def tools(self) -> dict[str, Any]:
        """What is offered, by name."""
        return by_name(plain(self.given.get("tools")) or ())

    @property
    def kind(self) -> Any:
        """The pydantic class that the reply is to be of, or None."""
        wanted = self.given.get("response_format")
        if wanted is None or isinstance(wanted, Mapping):
            return None
        if not (isinstance(wanted, type) and issubclass(wanted, pydantic.BaseModel)):
            raise GraphError(
                f"response_format is a pydantic class, or a dict as the endpoint takes it, not {wanted!r}"
            )
        return wanted

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as an endpoint takes them, but for the format of a class."""
        found = dict(self.given)
        if found.get("tools"):
            found["tools"] = [getattr(one, "schema", one) for one in self.tools.values()]
        if self.kind is not None:
            del found["response_format"]
        return found

    def turns(self) -> Turns:
        """The exchanges of the question; what the last gives is the caller's."""
        if self.kind is None:
            reply = yield self.messages, self.params
            return self.result(reply)
        reply = yield from self._formatted()
        if self.tools and reply.tool_calls:
            return self.result(reply)
        try:
            return self.result(reply, self._parsed(reply, reply.attempts))
        except InvalidReply as error:
            again = yield from self._formatted(assistant(error.reply), user(_correction(error)))
            return self.result(again, self._parsed(again, reply.attempts + again.attempts))

    def result(self, reply: Reply, parsed: list[Any] | None = None) -> Any:
        """What the caller gets of the reply; `parsed` are the objects that its texts are."""
        if self.raw or (self.tools and parsed is None):
            return reply.having(parsed[0] if parsed else None).offering(self.tools)
        if parsed is None and reply.refusal:
            raise _refused(reply, reply.attempts)
        return self.one_or_all(list(reply.texts) if parsed is None else parsed)

    def one_or_all(self, found: list[Any]) -> Any:
        """A list where several were asked for, also of an endpoint that gave one; else what there is."""
        return found if len(found) > 1 or plain(self.given.get("n")) not in (None, 1) else found[0]

    def _formatted(self, *more: Message) -> Turns:
        """A reply in the best format that the endpoint knows: by schema, any JSON, or asked for in words."""
        while True:
            way = self.formats[0]
            try:
                reply = yield [*self._told(way), *self.messages, *more], self._params(way)
            except BadRequest as error:
                if way == self.formats[-1] or not _is_about_format(error):
                    raise
                if way in self.formats:  # else another call that runs at once was told before
                    self.formats.remove(way)
            else:
                return reply

    def _told(self, way: str) -> list[Message]:
        """What is said of the format where the endpoint is not given the schema."""
        if way == SCHEMA:
            return []
        schema = json.dumps(self.kind.model_json_schema(), ensure_ascii=False)
        where = "one JSON object" + (" between <answer> and </answer>" if way == WORDS else "")
        return [system(f"Answer with {where} that fits this JSON schema:\n{schema}")]

    def _params(self, way: str) -> dict[str, Any]:
        if way == WORDS:
            return self.params
        if way == JSON:
            return {**self.params, "response_format": {"type": way}}
        name = NO_NAME.sub("_", self.kind.__name__)[:64]
        schema = {"name": name, "schema": self.kind.model_json_schema()}
        return {**self.params, "response_format": {"type": way, way: schema}}

    def _parsed(self, reply: Reply, attempts: int) -> list[Any]:
        """The objects that the texts are; InvalidReply says why one is none."""
        if reply.refusal:
            raise _refused(reply, attempts)
        told: dict[str, Any] = {"request_id": reply.request_id, "attempts": attempts}
        cut = ", it was cut off at max_tokens" if reply.finish_reason == "length" else ""
        return [self._object(text, cut, told) for text in reply.texts]

    def _object(self, text: str, cut: str, told: Mapping[str, Any]) -> Any:
        tagged = ANSWER.search(text)
        try:
            return self.kind.model_validate_json((tagged[1] if tagged else text).strip())
        except pydantic.ValidationError as error:
            words = f"the reply is no {self.kind.__name__}{cut}: {_said(error)}"
            raise InvalidReply(words, text, **told) from error


def _refused(reply: Reply, attempts: int) -> InvalidReply:
    words = f"the model refused: {reply.refusal}"
    return InvalidReply(words, reply.text, request_id=reply.request_id, attempts=attempts)


def _said(error: pydantic.ValidationError) -> str:
    """What is wrong, and where, for a model to read."""
    found = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)]
    return "; ".join(f"{place}: {what}" if place else what for place, what in found)


def _correction(error: InvalidReply) -> str:
    return f"That cannot be used: {error}\nAnswer again, with nothing but what was asked for."


def _is_about_format(error: BadRequest) -> bool:
    """Whether an endpoint refused the response format, not the question."""
    return error.status in UNKNOWN_FORMAT and any(word in str(error) for word in FORMAT_WORDS)
