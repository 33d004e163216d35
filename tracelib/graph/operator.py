"""Operators: what was applied to make a node. A function's signature and words are read when asked for."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tracelib.modules import importable

CODE = "__code"
"""The name under which trainable code is an input of its calls."""


class Operator:
    """A function as the graph knows it: its name, its words, its parameter names.

    It compares equal to its name, so `node.op == "add"` reads well; library code compares operators
    by identity. `rule` is the feedback rule of this operator, or None for the default. `kind` says what
    it is to people: an operation of Python, a bundle, or a language model program (`lm`). `capture` is
    what a store keeps of its values: full, hash or none; None for what the store says. `api_params` go with
    every question of a language model program.
    """

    __slots__ = (
        "__weakref__",
        "_least",
        "_named",
        "_names",
        "_tail",
        "api_params",
        "capture",
        "description_given",
        "fn",
        "kind",
        "name",
        "receiver",
        "rule",
    )

    def __init__(
        self,
        name: str,
        fn: Callable[..., Any] | None = None,
        description: str | None = None,
        names: tuple[str, ...] | None = None,
        receiver: bool = False,
    ) -> None:
        self.name = name
        self.fn = fn
        self.description_given = description
        self.receiver = receiver
        self.rule: Callable[..., Any] | None = None
        self.kind = "operation"
        self.capture: str | None = None
        self.api_params: Mapping[str, Any] = {}
        self._names = names
        self._tail: tuple[str, ...] = ()
        self._least = 0
        self._named: dict[tuple[int, int], tuple[str, ...]] = {}

    @property
    def key(self) -> str:
        """Where its function is defined: `module:qualname`, the name under which a store keeps it."""
        fn = self.fn
        while isinstance(fn, functools.partial):
            fn = fn.func
        qualname = getattr(fn, "__qualname__", None) or type(fn).__qualname__
        module = getattr(fn, "__module__", None) or type(fn).__module__
        return f"{importable(module)}:{qualname}"

    @property
    def description(self) -> str | None:
        """What the user said the operator does, else its docstring, else None."""
        if self.description_given is not None:
            return self.description_given
        doc = getattr(self.fn, "__doc__", None)
        return inspect.cleandoc(doc) if isinstance(doc, str) else None

    def take_names(
        self, signature: inspect.Signature, shown: inspect.Signature | None = None, code: bool = False
    ) -> None:
        """Learn the parameter names: those before `*args`, and those after it; trainable code comes last.

        Where the call takes anything, they are those of the signature that is `shown` to people.
        """
        self._named = {}
        self._names, self._least = _positional(signature)
        self._tail = tuple(p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY)
        if code:
            self._tail = (*self._tail, CODE)
        if not self._names and shown is not None:
            self._names, self._least = _positional(shown)

    def input_names(self, count: int, keywords: int = 0) -> tuple[str, ...]:
        """A name for each of `count` operands in the order the record keeps them.

        A wrapper that is given fewer arguments than its function must have hands it others of its
        own, so the function's names would be wrong there.
        """
        found = self._named.get((count, keywords))
        if found is None:
            found = self._named[count, keywords] = self._input_names(count, keywords)
        return found

    def names_of(self, count: int, keywords: tuple[str, ...]) -> tuple[str, ...]:
        """A name for each of `count` operands and for those that came by `**kwargs`.

        One of these that is called like a positional-only argument is `**name`: neither hides the other.
        """
        names = self.input_names(count, len(keywords))
        return (*names, *[f"**{name}" if name in names else name for name in keywords]) if keywords else names

    def _input_names(self, count: int, keywords: int) -> tuple[str, ...]:
        known = (self._names or ()) if count + keywords - len(self._tail) >= self._least else ()
        names = list(known)[: count - len(self._tail)]
        starred = count - len(names) - len(self._tail)
        return (*names, *(f"args[{i}]" for i in range(starred)), *self._tail)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.name == other
        return self is other

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<operator {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if BUILTIN.get(self.name) is self:
            return _restore_builtin, (self.name,)
        where = (getattr(self.fn, "__module__", None), getattr(self.fn, "__qualname__", None))
        return _restore, (self.name, self.description, self._names, self._tail, self.receiver, *where)

    def __deepcopy__(self, memo: dict[int, Any]) -> Operator:
        return self


def _positional(signature: inspect.Signature) -> tuple[tuple[str, ...], int]:
    """The names that positional arguments have, and how many must be given."""
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    parts = [p for p in signature.parameters.values() if p.kind in kinds]
    return tuple(p.name for p in parts), sum(p.default is p.empty for p in parts)


BUILTIN: dict[str, Operator] = {}
"""The operators of Python itself, by name; filled at import, never after."""


def builtin(name: str, fn: Callable[..., Any], *names: str) -> Operator:
    """The operator of Python called `name`."""
    operator = BUILTIN[name] = Operator(name, fn, names=names)
    return operator


def _restore_builtin(name: str) -> Operator:
    """An operator of Python from a pickle; of a newer version's it knows the name only."""
    return BUILTIN.get(name) or Operator(name)


def _restore(
    name: str,
    description: str | None,
    names: tuple[str, ...] | None,
    tail: tuple[str, ...],
    receiver: bool,
    module: str | None,
    qualname: str | None,
) -> Operator:
    """An operator from a pickle: that of the bundle of that name here, else one that knows its words only."""
    found = getattr(find(module, qualname), "op", None)
    made = found if isinstance(found, Operator) else Operator(name, None, description, None, receiver)
    if made._names is None:  # a bundle not called yet in this process
        made._names, made._tail = names, tail
    return made


def find(module: str | None, qualname: str | None) -> Any:
    """What a module holds under a dotted name, as pickle looks it up; None where there is nothing."""
    if module is None or qualname is None or "<" in qualname:
        return None
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
    except ImportError:
        return None
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def name_of(fn: Any) -> str:
    """A short name for any callable: `greet`, `lambda`, the class of a callable object."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    name = getattr(fn, "__name__", None) or type(fn).__name__
    return "lambda" if name == "<lambda>" else str(name)
