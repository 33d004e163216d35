"""Tools: functions that a language model may call, with a schema made from their signature."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pydantic

from tracelib.graph.bundle import Bundle


class Tool(Bundle[Any, Any]):
    """A recorded function with a `schema` in the shape that chat completions take."""

    __slots__ = ()

    def __init__(self, fn: Callable[..., Any]) -> None:
        super().__init__(fn)
        self.op.kind = "tool"

    @property
    def schema(self) -> dict[str, Any]:
        """Name, description and parameters, from the function's signature, docstring and pydantic fields."""
        described = {"description": inspect.getdoc(self.fn) or ""}
        return {
            "type": "function",
            "function": {"name": self.name, **described, "parameters": _parameters(self.fn)},
        }


def tool(fn: Any = None) -> Any:
    """Let a language model call a function: `@tool` or `@tool()`; its calls are recorded."""
    return Tool if fn is None else Tool(fn)


@functools.lru_cache(maxsize=512)
def _parameters(fn: Callable[..., Any]) -> dict[str, Any]:
    checked: Any = pydantic.validate_call(fn)
    arguments = pydantic.TypeAdapter(checked).json_schema()
    return {key: value for key, value in arguments.items() if key != "additionalProperties"}
