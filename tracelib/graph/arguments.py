"""What a call is given: each argument as kept and as the body sees it, and which the body changed."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

from tracelib.errors import MutationWarning
from tracelib.graph.containers import plain, seen
from tracelib.graph.node import ATOMS, Packed
from tracelib.graph.operator import Operator

WATCHED = (list, dict, set, bytearray)
"""Containers that a body may change in place, and that are cheap to look at before and after."""

LOOKED_INTO = 64
"""Up to how many elements a change is noticed that keeps the length."""
WRITTEN_DOWN = 1_000
"""Up to how many elements a container is written down where somebody keeps records."""

exact: list[Callable[[Any], bytes]] = []
"""Who writes values down before the body runs: the record then has them as they were, and every change
is noticed. Empty where nothing keeps records."""


class Written(bytes):
    """A container as it was before the body ran, written down as a record keeps it.

    Where all its members are values that cannot change, `members` are these: who finds the same ones
    after the body ran need not write it down again.
    """

    members: tuple[Any, ...] | None = None


Watch = list[tuple[str, Any, Any, bool]] | None
"""Per watched argument: its name, the container, its fingerprint, whether the body got a copy."""


def take(value: Any, name: str, watch: Watch) -> tuple[Any, Any, Watch]:
    """An argument as kept, as the body sees it, and what to look at again after the call."""
    kept, given = seen(value)
    if issubclass(type(given), WATCHED):
        copied = type(kept) is Packed and given is not value
        watch = [*(watch or ()), (name, given, _before(given), copied)]
    return kept, given, watch


def take_nodes(value: Any, name: str, watch: Watch) -> tuple[Any, Any, Watch]:
    """An argument of traceable code, which sees the nodes themselves."""
    return seen(value)[0], value, watch


def take_args(
    take: Any, values: tuple[Any, ...], name: str, watch: Watch, receiver: bool
) -> tuple[Any, Any, Watch]:
    """The arguments of `*args`; of a method the first may be the receiver, which is left alone."""
    if ATOMS.issuperset(map(type, values)):
        return values, values, watch
    kept, given = list(values[:receiver]), list(values[:receiver])
    for i, value in enumerate(values[receiver:], start=receiver):
        one, other, watch = take(value, f"{name}[{i}]", watch)
        kept.append(one)
        given.append(other)
    return tuple(kept), tuple(given), watch


def plain_many(receiver: bool, values: Any) -> Any:
    """The plain values for `*args` or `**kwargs` where nothing is recorded."""
    if receiver and type(values) is tuple:
        return (*values[:1], *plain(values[1:]))
    return plain(values)


def take_keywords(take: Any, values: dict[str, Any], name: str, watch: Watch) -> tuple[Any, Any, Watch]:
    """The arguments of `**kwargs`."""
    kept, given = {}, {}
    for key, value in values.items():
        kept[key], given[key], watch = take(value, key, watch)
    return kept, given, watch


def _kind(value: Any) -> Any:
    return next(base for base in WATCHED if issubclass(type(value), base))


def fingerprint(value: Any) -> Any:
    """Who is in a container where that is quick to say, else its length.

    Each look is one call into C, which no other thread and no method of the user's interrupts.
    """
    kind = _kind(value)
    length = kind.__len__(value)
    if length > LOOKED_INTO:
        return length
    if kind is dict:
        return tuple(map(id, dict.keys(value))), tuple(map(id, dict.values(value)))
    return bytes(value) if kind is bytearray else tuple(map(id, kind.__iter__(value)))


def _before(value: Any) -> Any:
    """A container as it is before the body runs: written down where records are kept, else in short."""
    if exact and _kind(value).__len__(value) <= WRITTEN_DOWN:
        members = _members(value)
        made = Written(exact[0](value))
        if members is not None and ATOMS.issuperset(map(type, members)):
            made.members = members
        return made
    return fingerprint(value)


def _members(value: Any) -> tuple[Any, ...] | None:
    """What is in a container, in its order; each look is one call into C, as in `fingerprint`."""
    if type(value) is dict:
        return (*value.keys(), *value.values())
    return tuple(value) if type(value) in (list, set) else None


def _same(members: tuple[Any, ...], now: tuple[Any, ...] | None) -> bool:
    return now is not None and len(members) == len(now) and all(map(operator.is_, members, now))


def _after(value: Any, before: Any) -> Any:
    """The same again, to be compared."""
    members = before.members if type(before) is Written else None
    if members is not None and _same(members, _members(value)):
        return before
    return exact[0](value) if type(before) is Written and exact else fingerprint(value)


def report_changes(op: Operator, watch: Watch) -> None:
    """Warn when the body changed an argument in place: the record keeps values by reference."""
    for name, value, before, copied in watch or ():
        if _after(value, before) != before:
            kind = type(value).__name__
            why = (
                f"that {kind} held nodes, so the body was given a plain copy and the change is lost"
                if copied
                else "the record keeps values by reference, so earlier calls now show the changed value"
            )
            warnings.warn(
                f"{op.name} changed its argument {name!r} ({kind}) in place; {why}. "
                f"Return a new {kind} instead.",
                MutationWarning,
                stacklevel=3,
            )
