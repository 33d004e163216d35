"""What a running call tells of the models it asks: which, what was sent, what it used and what it cost.

Every question of every model passes here, whoever asks it. Of several in one call the numbers add up; the
model and what was sent are those of the last.
"""

from __future__ import annotations

import threading
from typing import Any

from tracelib.errors import ModelCallError
from tracelib.graph.tracing import annotate, annotated, ears
from tracelib.llm.guard import Question
from tracelib.llm.reply import Reply

NANO = 1_000_000_000

_adding = threading.Lock()
"""Threads of one call may hear replies at once."""


def tell_question(question: Question) -> None:
    """Say what is asked before it is: a call whose model fails is kept with it too."""
    if ears:  # else nobody would read it, and the messages would stay in memory with the call
        annotate(
            model=question.model or None,
            provider=question.provider or None,
            request={"messages": question.messages, "params": dict(question.params)},
        )


def tell_failure(error: ModelCallError) -> None:
    """Say how often the endpoint was asked in vain."""
    with _adding:
        known = annotated() if ears else None
        if known is not None:
            annotate(attempts=known.get("attempts", 0) + error.attempts)


def tell_reply(reply: Reply) -> None:
    """Say what a reply used: a number that one reply of a call does not tell is not known of the call."""
    with _adding:
        known = annotated() if ears else None
        if known is None:
            return
        used = _used(reply)
        first = {} if "tokens_in" in known else {"first_token_ns": _nano(reply.first_token)}
        sums = {name: _sum(known.get(name, 0), number) for name, number in used.items()}
        annotate(model=reply.model or known.get("model"), provider=reply.provider or known.get("provider"))
        annotate(**sums, **first)


def _used(reply: Reply) -> dict[str, Any]:
    usage = reply.usage
    return {
        "tokens_in": usage.prompt_tokens,
        "tokens_out": usage.completion_tokens,
        "tokens_cached": usage.cached_tokens,
        "tokens_reasoning": usage.reasoning_tokens,
        "attempts": reply.attempts,
        "cost_nano": _nano(reply.cost),
    }


def _nano(amount: float | None) -> int | None:
    """Seconds or dollars in billionths."""
    return None if amount is None else round(amount * NANO)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
