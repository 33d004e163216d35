"""A question as JSON: what it is known by, and how it is written down without its secrets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tracelib.errors import ModelError
from tracelib.llm.guard import Question
from tracelib.redaction import DEFAULT as REDACTOR

PATIENCE = ("timeout",)
"""Parameters that no reply depends on."""


def asked(question: Question) -> dict[str, Any]:
    """All that a reply may depend on, as JSON values; the host is in `provider`.

    Raises ModelError for a message or a parameter that cannot be told apart from another by its value.
    """
    told = {
        "model": question.model,
        "provider": question.provider,
        "messages": question.messages,
        "params": {name: value for name, value in question.params.items() if name not in PATIENCE},
        "sample": question.sample,
    }
    try:
        found: dict[str, Any] = json.loads(json.dumps(told, default=_as_json))
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"no reply can be kept by this question, which JSON cannot hold: {error}") from error
    return found


def key_of(told: Mapping[str, Any]) -> str:
    """The digest of JSON values, the same for the same values in any order of their names."""
    return hashlib.sha256(canonical(told).encode("utf-8", "surrogatepass")).hexdigest()


def canonical(told: Any) -> str:
    """JSON values as one text."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def as_text(value: Any, indent: int | None = None) -> str:
    """JSON values to be written to a file: readable, but for halves of characters, which UTF-8 has not."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def cleaned(value: Any, name: str = "") -> Any:
    """JSON values with a mark in the place of each secret."""
    if isinstance(value, str):
        return REDACTOR.mark(value) if REDACTOR.is_secret_name(name) and value else REDACTOR.text(value)
    if isinstance(value, Mapping):
        return {key: cleaned(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [cleaned(inner, name) for inner in value]
    return value


def _as_json(value: Any) -> Any:
    """What stands for a value that JSON does not have: bytes, sets, and classes with a schema."""
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if callable(schema := getattr(value, "model_json_schema", None)):
        return {"class": value.__qualname__, "schema": schema()}
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    raise ModelError(
        f"no reply can be kept by {type(value).__name__} {value!r}: a question that is kept consists of "
        "texts, numbers, lists, dicts and pydantic classes"
    )
