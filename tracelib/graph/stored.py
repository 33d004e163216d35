"""Stand-ins for what a stored graph had in another process: operators, parameters, code, exceptions.

They know names and words. Nothing is imported, compiled or run to make them.
"""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable
from typing import Any

from tracelib import modules
from tracelib.errors import SignatureError
from tracelib.graph.bundle import Bundle
from tracelib.graph.description import SeenOperator, SeenParameter
from tracelib.graph.node import new
from tracelib.graph.operator import Operator
from tracelib.graph.parameter import Parameter


class StoredOperator(Operator):
    """An operator of a stored call: its name and words as they were, its feedback rule as it is here now."""

    __slots__ = ("_live", "_own_rule", "seen")

    def __init__(self, seen: SeenOperator) -> None:
        self._live: Operator | None = None
        super().__init__(seen.name, None, seen.description, (), seen.receiver)
        self.seen = seen
        self.kind = seen.kind

    @property
    def key(self) -> str:
        return self.seen.key

    @property
    def description(self) -> str | None:
        return self.description_given

    @property
    def live(self) -> Operator | None:
        """The operator of the bundle that has this place here, where its module is loaded."""
        if self._live is None:
            found = loaded(self.seen.key)
            self._live = found.op if isinstance(found, Bundle) else None
        return self._live

    @property
    def rule(self) -> Callable[..., Any] | None:
        """The feedback rule that was given to it, else that of the live operator."""
        if self._own_rule is not None or self.live is None:
            return self._own_rule
        return self.live.rule

    @rule.setter
    def rule(self, rule: Callable[..., Any] | None) -> None:
        self._own_rule = rule

    def calls_it(self, names: tuple[str, ...], keywords: int) -> bool:
        """Learn what the operands of a call were named; False where it is known by other names already."""
        count = len(names) - keywords, keywords
        return self._named.setdefault(count, names[: count[0]]) == names[: count[0]]

    def __reduce__(self) -> tuple[Any, ...]:
        return _operator, (self.seen, self._named)


def _operator(seen: SeenOperator, named: dict[tuple[int, int], tuple[str, ...]]) -> StoredOperator:
    made = StoredOperator(seen)
    made._named = named
    return made


def loaded(key: str) -> Any:
    """What a loaded module holds under `module:qualname`; None where there is nothing.

    Nothing is imported, and no attribute code of the user's runs.
    """
    module, _, qualname = key.partition(":")
    found: Any = modules.loaded(module)
    for part in qualname.split("."):
        found = None if found is None else inspect.getattr_static(found, part, None)
    return found


class StoredCode:
    """The code of a stored parameter, which is text and is not run."""

    def __init__(self, original: str, program: str | None) -> None:
        self.original = original
        self.program = program

    @property
    def fn(self) -> Any:
        """No function: what stands here is like no other code's."""
        return self

    def function(self, source: str) -> Any:
        """Raises SignatureError: there is no function here."""
        raise self._refused(source)

    def check(self, source: Any) -> str:
        """Raises SignatureError: there is no function here that the source could be compared with."""
        raise self._refused(source)

    def _refused(self, source: Any) -> SignatureError:
        return SignatureError(
            f"the code of {self.program or 'a stored parameter'} was read from a store, where it is text and "
            "is not run: give the new code to the parameter of the running program.",
            value=source,
        )


class StoredParameter(Parameter[Any]):
    """A parameter as a store knows it; `adopt` lets the running program's own hear in its place.

    It gathers feedback as any Parameter does, and what it holds is the value that the stored calls saw.
    """

    __slots__ = ()

    @classmethod
    def of(cls, seen: SeenParameter, value: Any, place: int) -> StoredParameter:
        """The parameter that a description tells of, holding `value`."""
        made = new(cls)
        code: Any = StoredCode(seen.original or "", seen.function) if seen.is_code else None
        Parameter.__init__(made, None, seen.name, seen.description, seen.constraint, code)
        made._own = value
        made._path = seen.path
        made._program = seen.program
        made._seq = place
        return made


class StoredError(Exception):
    """Stands for an exception of another process: its type bears the original's name, its text is the same.

    Where the original was one of Python's own, it is an instance of that too.
    """

    message = ""

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return stored_error, (f"{type(self).__module__}:{type(self).__qualname__}", self.message)


def stored_error(type_key: str, message: str) -> BaseException:
    """An exception of the type `module:qualname`, as far as that can be had, with this text."""
    kind = _error_kind(type_key)
    made: Any = kind.__new__(kind)
    made.args = (message,)
    made.message = message
    return made  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=256)
def _error_kind(type_key: str) -> Any:
    module, _, qualname = type_key.partition(":")
    body = {"__module__": module, "__qualname__": qualname, "__doc__": StoredError.__doc__}
    name = qualname.rpartition(".")[2]
    original = getattr(builtins, qualname, None) if module == "builtins" else None
    if isinstance(original, type) and issubclass(original, BaseException) and _is_simple(original):
        return type(name, (StoredError, original), body)
    return type(name, (StoredError,), body)


def _is_simple(kind: type[BaseException]) -> bool:
    """Whether it can be made from nothing: a group needs its members, a MemoryError has its own layout."""
    return kind is not Exception and not issubclass(kind, (BaseExceptionGroup, MemoryError))
