"""The messages of a chat, and how what users hand over becomes them; knows no model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracelib.errors import MessageError
from tracelib.llm.media import Part, media_part
from tracelib.llm.recorded import is_recorded, kept, plain, plain_data

__all__ = ["Message", "as_message", "as_messages", "assistant", "plain", "plain_data", "system", "user"]

_BASE64 = re.compile(r"[A-Za-z0-9+/=]{200,}")
"""What nobody reads where a message is shown: the bytes of an image, a sound or a file."""


@dataclass(frozen=True)
class Message:
    """One turn of a chat: who speaks, and what.

    `content` is text, a list of content parts as the chat completions API has them, or None where an
    assistant only calls tools. Among the parts may be texts, paths, bytes and PIL images, which become
    parts. `extra` keeps every other key (`name`, `tool_calls`, `tool_call_id`, ...). Recorded values stay
    what they are, so that `trace.origin(message)` tells where a message came from; `to_dict` gives plain
    data.
    """

    role: str
    content: Any
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises MessageError when the role is no text, or the content cannot be sent."""
        object.__setattr__(self, "role", plain(self.role))
        if not isinstance(self.role, str) or not self.role:
            raise MessageError(f"the role of a message is text such as 'user', not {self.role!r}")
        object.__setattr__(self, "content", _content(self.content, self.role))
        object.__setattr__(self, "extra", kept(self.extra))

    def __repr__(self) -> str:
        shown = f"Message(role={self.role!r}, content={self.content!r}, extra={self.extra!r})"
        return _BASE64.sub(lambda run: f"{run[0][:20]}... ({len(run[0]):,} characters)", shown)

    def to_dict(self) -> dict[str, Any]:
        """The shape that chat completions take, without any record; `as_message` reads it back."""
        return {"role": self.role, "content": plain(self.content), **plain(self.extra)}


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
    """The conversation as messages: from a text, a dict, a Message, a Reply, a recorded value, or a list.

    A lone text is what the user says. Raises MessageError when nothing is left to say, or an entry is
    none of these.

    >>> as_messages("Hello")
    [Message(role='user', content='Hello', extra={})]
    """
    several = isinstance(plain_data(conversation), list | tuple)
    turns = list(conversation) if several else [conversation]  # of a recorded list the recorded elements
    if not turns:
        raise MessageError("there is no message to send: the list is empty")
    return [as_message(turn) for turn in turns]


def as_message(turn: Any) -> Message:
    """One message, from a text, a dict, a Message, a Reply or a recorded value."""
    if is_recorded(turn) and not isinstance(turn, str):
        turn = _opened(turn, plain_data(turn))
    if isinstance(turn, Message):
        return turn
    if isinstance(turn, str):
        return user(turn)
    said = getattr(turn, "message", None)  # of a Reply: what it is in a conversation that goes on
    if isinstance(said, Message):
        return said
    if not isinstance(turn, Mapping):
        raise MessageError(
            f"{type(turn).__name__} {turn!r} is not a message: give text, a dict, a Message or a Reply"
        )
    if "role" not in turn:
        raise MessageError(
            f"the message {dict(turn)!r} says no role: write {{'role': 'user', 'content': ...}}"
        )
    rest = {key: value for key, value in turn.items() if key not in ("role", "content")}
    return Message(turn["role"], turn.get("content"), rest)


def _opened(turn: Any, found: Any) -> Any:
    """A recorded message, or dict of one, as a plain one whose content is recorded."""
    if isinstance(found, Message):
        said = found.content if found.content is None else turn.content
        return Message(found.role, said, found.extra)
    if isinstance(getattr(found, "message", None), Message):
        return _opened(turn.message, found.message)
    if isinstance(found, Mapping) and found.get("content") is not None:
        return {**found, "content": turn["content"]}
    return found


def _content(told: Any, role: str) -> Any:
    """What a message keeps of what it was given as content."""
    found = plain_data(told) if is_recorded(told) and not isinstance(told, str) else told
    if told is None or isinstance(told, str):
        return kept(told)
    if isinstance(found, list | tuple):
        parts = [_part(part, role) for part in found]
        return told if is_recorded(told) and parts == list(found) else parts
    if _is_part(found):
        return [_part(told, role)]
    part = media_part(told)
    if part is None:
        kind = type(found).__name__
        raise MessageError(f"the {role} message holds {kind} {found!r}: give text, such as str(...)")
    return [part]


def _part(told: Any, role: str) -> Any:
    """One content part: of a text, a path, bytes, a PIL image, or a part itself."""
    if isinstance(told, str):
        return {"type": "text", "text": kept(told)}
    if isinstance(told, Part) or (is_recorded(told) and _is_part(plain_data(told))):
        return told
    if _is_part(told):
        return kept(told)
    part = media_part(told)
    if part is None:
        raise MessageError(
            f"a part of the {role} message is {type(told).__name__} {told!r}: give text, a path, bytes, "
            "a picture, trace.image(...), trace.audio(...), trace.file(...) or a dict with a 'type'"
        )
    return part


def _is_part(value: Any) -> bool:
    """Whether a value is a part in the shape of chat completions."""
    return isinstance(value, Mapping) and isinstance(value.get("type"), str)
