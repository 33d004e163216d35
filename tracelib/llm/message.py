"""The messages of a chat, and how what users hand over becomes them; knows no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracelib.errors import MessageError

_RECORDED = ("data", "inputs", "parents")


@dataclass(frozen=True)
class Message:
    """One turn of a chat: who speaks, and what.

    `content` is text, a list of content parts as the chat completions API has them, or None where an
    assistant only calls tools. `extra` keeps every other key (`name`, `tool_calls`, `tool_call_id`, ...).
    Recorded values (nodes and texts) are replaced by their plain data.
    """

    role: str
    content: str | list[Any] | None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises MessageError when the role is no text, or the content neither text nor parts."""
        object.__setattr__(self, "role", plain(self.role))
        object.__setattr__(self, "content", plain(self.content))
        object.__setattr__(self, "extra", plain(self.extra))
        if not isinstance(self.role, str) or not self.role:
            raise MessageError(f"the role of a message is text such as 'user', not {self.role!r}")
        if not isinstance(self.content, str | list | None):
            kind = type(self.content).__name__
            raise MessageError(
                f"the {self.role} message holds {kind} {self.content!r}: give text, such as str(...)"
            )

    def to_dict(self) -> dict[str, Any]:
        """The shape that chat completions take."""
        return {"role": self.role, "content": self.content, **self.extra}


def system(content: Any) -> Message:
    """What the model is told to be."""
    return Message("system", content)


def user(content: Any) -> Message:
    """What the user says."""
    return Message("user", content)


def assistant(content: Any) -> Message:
    """What the model said before."""
    return Message("assistant", content)


def as_messages(conversation: Any) -> list[Message]:
    """The conversation as messages: from a text, a dict, a Message, a recorded value, or a list of these.

    A lone text is what the user says. Raises MessageError when nothing is left to say, or an entry is
    none of these.

    >>> as_messages("Hello")
    [Message(role='user', content='Hello', extra={})]
    """
    turns = plain_data(conversation)
    if not isinstance(turns, list | tuple):
        turns = [turns]
    if not turns:
        raise MessageError("there is no message to send: the list is empty")
    return [as_message(turn) for turn in turns]


def as_message(turn: Any) -> Message:
    """One message, from a text, a dict, a Message or a recorded value."""
    turn = plain_data(turn)
    if isinstance(turn, Message):
        return turn
    if isinstance(turn, str):
        return user(turn)
    if not isinstance(turn, Mapping):
        raise MessageError(f"{type(turn).__name__} {turn!r} is not a message: give text, a dict or a Message")
    if "role" not in turn:
        raise MessageError(
            f"the message {dict(turn)!r} says no role: write {{'role': 'user', 'content': ...}}"
        )
    rest = {key: value for key, value in turn.items() if key not in ("role", "content")}
    return Message(turn["role"], turn.get("content"), rest)


def plain(value: Any) -> Any:
    """A copy without any record: recorded values give their data, texts are plain `str`, all the way down."""
    value = plain_data(value)
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def plain_data(value: Any) -> Any:
    """The data of a recorded value, anything else as it is.

    This room lies below none of the graph's, so a recorded value is told by its shape.
    """
    while all(hasattr(type(value), name) for name in _RECORDED):
        value = value.data
    return value
