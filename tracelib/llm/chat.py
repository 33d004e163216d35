"""The chat completions API, which OpenAI and every compatible server speak: what a question is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import openai
from pydantic import BaseModel

from tracelib.errors import ModelError
from tracelib.llm.completion import Gathering, read_completion
from tracelib.llm.exchange import told
from tracelib.llm.guard import Question
from tracelib.llm.reply import Reply


class Chat:
    """The dialect of `/chat/completions`."""

    words = "messages"
    streaming = {"stream": True, "stream_options": {"include_usage": True}}
    keeps = True
    expected = "chat completion with a choice"

    def resource(self, client: Any) -> Any:
        return client.chat.completions

    def body(self, question: Question) -> dict[str, Any]:
        params = told(question)
        if "response_format" in params:
            params["response_format"] = as_response_format(params["response_format"])
        return {"model": question.model, "messages": question.messages, **params}

    def read(self, answer: Any) -> Reply:
        return read_completion(answer)

    def failure(self, answer: Any) -> None:
        """Chat completions fail by their HTTP status alone."""

    def gathering(self) -> Gathering:
        return Gathering()


def as_response_format(wanted: Any) -> dict[str, Any]:
    """`response_format` as chat completions have it, from a pydantic class, a JSON schema, or itself."""
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        tool = openai.pydantic_function_tool(wanted)["function"]  # the SDK's public way to a strict schema
        return _json_schema(wanted.__name__, tool.get("parameters", {}), strict=True)
    if not isinstance(wanted, Mapping):
        raise ModelError(f"response_format is {wanted!r}: give a pydantic class or a JSON schema as a dict")
    if wanted.get("type") in ("text", "json_object", "json_schema"):
        return dict(wanted)
    return _json_schema(str(wanted.get("title") or "reply"), wanted)


def _json_schema(name: str, schema: Mapping[str, Any], **strict: bool) -> dict[str, Any]:
    known = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]
    return {"type": "json_schema", "json_schema": {"name": known, "schema": dict(schema), **strict}}
