"""The turns that one exchange takes: a new one for each attempt, the last held until its answer is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import openai

from tracelib.llm.failure import asked_wait, is_spent
from tracelib.llm.limits import Limiter, Turn
from tracelib.llm.reply import Reply

BYTES_PER_TOKEN = 4
"""A rough rule for English; what a reply says it used takes its place."""


class Turns:
    """`with turns:` or `async with turns:` around an exchange; `send` and `asend` are one attempt."""

    def __init__(self, limiter: Limiter, body: Mapping[str, Any], patience: float) -> None:
        self._used: int | None = None
        self._limiter, self._patience = limiter, patience
        self._tokens = estimated_tokens(body)
        self._turn: Turn | None = None
        self._answered = False

    def __enter__(self) -> Turns:
        self._turn = self._limiter.take(self._tokens, self._patience)
        return self

    def __exit__(self, *error: object) -> None:
        self._end(self._answered)

    async def __aenter__(self) -> Turns:
        self._turn = await self._limiter.atake(self._tokens, self._patience)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._end(self._answered)

    def send(self, create: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """What `create` gives, in a turn of its own."""
        turn = self._turn = self._turn or self._limiter.take(self._tokens, self._patience)
        try:
            return self._heard(turn, create(**arguments))
        except BaseException as error:
            self._failed(turn, error)
            raise

    async def asend(self, create: Callable[..., Awaitable[Any]], arguments: Mapping[str, Any]) -> Any:
        """`send`, to be awaited: tenacity awaits only what `async def` made, as the SDK's `create` is not."""
        turn = self._turn = self._turn or await self._limiter.atake(self._tokens, self._patience)
        try:
            return self._heard(turn, await create(**arguments))
        except BaseException as error:
            self._failed(turn, error)
            raise

    def settled(self, reply: Reply) -> Reply:
        """The reply, whose tokens take the place of those estimated."""
        self._used = reply.usage.total_tokens
        return reply

    def _heard(self, turn: Turn, sent: Any) -> Any:
        # A stream holds its response; what `with_raw_response` gives is one.
        self._limiter.hear(turn, getattr(sent, "response", sent).headers)
        self._answered = True
        return sent

    def _failed(self, turn: Turn, error: BaseException) -> None:
        if isinstance(error, openai.APIStatusError):
            if error.status_code == 429 and not is_spent(error):
                self._limiter.crowded(turn, asked_wait(error))
            self._limiter.hear(turn, error.response.headers)
        self._end(good=False)

    def _end(self, good: bool) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            self._limiter.end(turn, self._used, good)


def estimated_tokens(body: Mapping[str, Any]) -> float:
    """About how many tokens a request comes to: its text, and as much reply as it allows."""
    allowed = next((body[name] for name in LIMITS if isinstance(body.get(name), int)), 0)
    said = body.get("messages") or body.get("input") or ""
    return float(sum(map(_length, said)) // BYTES_PER_TOKEN + allowed)


LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


def _length(turn: Any) -> int:
    content = turn.get("content") if isinstance(turn, Mapping) else turn
    if isinstance(content, list):
        return sum(len(str(part.get("text") or "")) for part in content if isinstance(part, Mapping))
    return len(str(content or ""))
