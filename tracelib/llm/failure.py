"""What an OpenAI-compatible endpoint's failures mean: whether to try again, and which of our errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai

from tracelib.errors import (
    BadRequest,
    ModelCallError,
    ModelTimeout,
    ModelUnavailable,
    QuotaExceeded,
    RateLimited,
)
from tracelib.llm.retry import retry_after

SPENT = {"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"}

HINTS = {
    401: "check OPENAI_API_KEY, or pass api_key=",
    402: "the account has no credit left",
    403: "this key may not use this model",
    404: "check the model's name, and that the base_url ends where the server's API begins (often /v1)",
    413: "the request is too large",
}


def mends(error: BaseException) -> bool:
    """Whether another attempt may help: no connection, a timeout, 408, 409, 429, or 5xx.

    An account without credit is not mended by waiting; `x-should-retry` of the endpoint has the last word
    on the rest.
    """
    if isinstance(error, openai.APIStatusError):
        if is_spent(error):
            return False
        told = error.response.headers.get("x-should-retry")
        if told in ("true", "false"):
            return bool(told == "true")
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def asked_wait(error: BaseException) -> float | None:
    """Seconds that the endpoint asks to wait before the next attempt, None when it does not say."""
    return retry_after(error.response.headers) if isinstance(error, openai.APIStatusError) else None


def is_spent(error: openai.APIError) -> bool:
    """Whether the account has no credit left."""
    return bool(SPENT & {error.code, error.type}) or getattr(error, "status_code", None) == 402


def as_call_error(error: openai.OpenAIError, where: str, attempts: int) -> ModelCallError:
    """Our error for the SDK's; `where` names model and host."""
    status = getattr(error, "status_code", None)
    return kind_of(error)(
        describe(error, where, attempts),
        status=status,
        code=getattr(error, "code", None) or getattr(error, "type", None),
        request_id=getattr(error, "request_id", None),
        attempts=attempts,
    )


def kind_of(error: openai.OpenAIError) -> type[ModelCallError]:
    """Which of our errors stands for the SDK's."""
    if isinstance(error, openai.APITimeoutError):
        return ModelTimeout
    if isinstance(error, openai.APIStatusError):
        return kind_of_status(error)
    if isinstance(error, openai.APIError) and is_spent(error):
        return QuotaExceeded
    return ModelUnavailable if isinstance(error, openai.APIError) else ModelCallError


def kind_of_status(error: openai.APIStatusError) -> type[ModelCallError]:
    """Which of our errors stands for an answer with an error status."""
    if is_spent(error):
        return QuotaExceeded
    if error.status_code == 408:
        return ModelTimeout
    if error.status_code == 429:
        return RateLimited
    return ModelUnavailable if error.status_code >= 500 else BadRequest


def kind_of_code(code: str) -> type[ModelCallError]:
    """Which of our errors stands for the code of an answer that failed although its status is 200."""
    if code in SPENT:
        return QuotaExceeded
    kinds = {"rate_limit_exceeded": RateLimited, "server_error": ModelUnavailable}
    return kinds.get(code, BadRequest)


def describe(error: openai.OpenAIError, where: str, attempts: int) -> str:
    """What was tried, what came back, and what to do about it."""
    status = getattr(error, "status_code", None)
    tried = "" if attempts == 1 else f", after {attempts} attempts"
    hint = f" ({HINTS[status]})" if status in HINTS else ""
    return f"{where}: {f'{status} ' if status else ''}{words_of(error)}{tried}{hint}"


def words_of(error: Exception) -> str:
    """What the error says, with the reason behind a lost connection, cut at 500 characters."""
    body: Any = getattr(error, "body", None)
    words = str(body.get("message") or body) if isinstance(body, Mapping) else str(error)
    if isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
        words = f"{words} ({type(error.__cause__).__name__}: {error.__cause__})"
    return words if len(words) <= 500 else f"{words[:500]}... ({len(words)} characters)"
