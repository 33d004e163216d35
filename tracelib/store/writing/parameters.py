"""The history of parameters as it is recorded: the values they began with and every change of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from tracelib.graph.parameter import Parameter
from tracelib.graph.tracing import Update
from tracelib.store.values.encoding import Encoder

REMEMBERED = 10_000

FIRST_SEEN = "first seen"
"""The reason that begins a history."""

Write = Callable[[dict[str, Any]], None]


class ParameterLog:
    """Tells a parameter's value when a call first reads it, and every change."""

    def __init__(self, encoder: Encoder, write: Write) -> None:
        self._encoder = encoder
        self._write = write
        self._begun: dict[int, weakref.ref[Parameter[Any]]] = {}

    def forget(self) -> None:
        """Begin all histories anew: a forked child is a session of its own."""
        self._begun = {}

    def seen(self, parameter: Parameter[Any], value: Any) -> None:
        """A call read the parameter; a value that is only bound here and now begins no history."""
        known = self._begun.get(id(parameter))
        if (known is not None and known() is parameter) or value is not parameter._own:
            return
        if len(self._begun) > REMEMBERED:
            self._begun.clear()
        self._begun[id(parameter)] = weakref.ref(parameter)
        self._tell(Update(parameter, None, value, FIRST_SEEN), None)

    def updated(self, update: Update) -> None:
        """Keep a change: old, new, because, by whom, at which score."""
        self._begun[id(update.parameter)] = weakref.ref(update.parameter)
        self._tell(update, self._encoder.encode(update.old))

    def _tell(self, update: Update, old: bytes | None) -> None:
        parameter, clean = update.parameter, self._encoder.redactor.text
        declared = parameter._constraint
        self._write(
            {
                **named(parameter),
                "description": parameter._description and clean(parameter._description),
                "constraint": None if declared is None else clean(str(declared)),
                "old": None if old is None else old.decode(),
                "new": self._encoder.encode(update.new).decode(),
                "because": clean(update.because),
                "by": clean(update.by),
                "score": update.score,
            }
        )


def named(parameter: Parameter[Any]) -> dict[str, Any]:
    """How a store knows a parameter: its program and its path in it."""
    return {
        "program": getattr(parameter, "_program", None) or "",
        "path": parameter._path or parameter._name or parameter.name,
        "is_code": parameter.is_code,
    }
