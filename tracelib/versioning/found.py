"""From a function that lives in memory to the place of its text, with the proof that the text is its own."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Iterator
from typing import Any

from tracelib.versioning.canonical import digest
from tracelib.versioning.chunks import Chunk, Place, Statement
from tracelib.versioning.expressions import every_argument
from tracelib.versioning.forms import constant
from tracelib.versioning.scope import names_of
from tracelib.versioning.snapshots import Texts, earlier_chunks

NO_TEXT = "its source text is not to be had"
EDITED = "its file was edited after it was imported, and the text that was imported is gone"

Position = tuple[int | None, int | None, int | None, int | None]


def place_of(fn: types.FunctionType, texts: Texts) -> tuple[Place | None, str]:
    """Where the function's text stands; or None and the reason."""
    code = code_of(fn)
    namespace = globals_of(fn)
    now = texts.chunk(code.co_filename, namespace)
    if now is None:
        return None, NO_TEXT
    doubtful = now.may_be_edited(namespace)
    place = in_chunk(now, code, doubtful)
    for chunk in earlier_chunks(code.co_filename) if place is None else ():
        place = place or in_chunk(chunk, code, doubtful)
    return place, "" if place is not None else now.problem or EDITED


def code_of(fn: types.FunctionType) -> types.CodeType:
    found: types.CodeType = object.__getattribute__(fn, "__code__")
    return found


def globals_of(fn: types.FunctionType) -> dict[str, Any]:
    found: dict[str, Any] = object.__getattribute__(fn, "__globals__")
    return found


def in_chunk(chunk: Chunk, code: types.CodeType, doubtful: bool) -> Place | None:
    """The definition in this text that compiles to the code; a doubtful text is compiled to see."""
    name = code.co_name
    candidates = [p for p in chunk.places(code.co_firstlineno, name) if _fits(p.node, code)]
    if name == "<lambda>" and len(candidates) > 1:
        candidates = [p for p in candidates if _covers(p.node, code)][-1:]
    if not candidates:
        return None
    place = candidates[-1]
    return place if _gives(place, code, doubtful) else None


def is_code_of(statement: Statement, code: types.CodeType, doubtful: bool) -> bool:
    """Whether a statement is the definition that compiles to the code; as `in_chunk`, without a search."""
    node: Any = statement.node
    here = node.lineno == code.co_firstlineno and statement.chunk.filename == code.co_filename
    if not here or node.name != code.co_name or not _fits(node, code):
        return False
    return _gives(Place(statement.chunk, statement, node, ()), code, doubtful)


def _gives(place: Place, code: types.CodeType, doubtful: bool) -> bool:
    return not (doubtful or not _likely(place, code)) or _compiles_to(place.chunk, code)


def _fits(node: Any, code: types.CodeType) -> bool:
    if not hasattr(node, "args"):
        return False
    written, compiled = tuple([argument.arg for argument in every_argument(node.args)]), _arguments(code)
    return written == compiled or [*map(_mangled, written)] == [*map(_mangled, compiled)]


def _mangled(name: str) -> str:
    """A private name as far as it is the same inside a class and outside."""
    at = name.find("__", 1)
    return name[at:] if name.startswith("_") and at > 0 else name


def _arguments(code: types.CodeType) -> tuple[str, ...]:
    count = code.co_argcount + code.co_kwonlyargcount
    stars = bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return code.co_varnames[: count + stars]


def _covers(node: ast.Lambda, code: types.CodeType) -> bool:
    """Whether the positions in the code lie inside the body of the lambda."""
    body = node.body
    first, last = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    inside = [p for p in code.co_positions() if None not in p and p[2:] != (0, 0)]
    return bool(inside) and all(
        first <= (line or 0, column or 0) and (end or 0, at or 0) <= last for line, end, column, at in inside
    )


def _likely(place: Place, code: types.CodeType) -> bool:
    """Whether strings, numbers and names of the text are in the code; a no is settled by compiling."""
    whole = place.node is place.statement.node
    told = place.statement.names if whole else names_of([place.node])
    names: list[tuple[str, ...]] = []
    constants: list[Any] = []
    for inner in codes(code):
        names += (inner.co_names, inner.co_varnames, inner.co_freevars, inner.co_cellvars)
        constants += inner.co_consts
    unknown = told.inside.difference(*names)
    if unknown and not all(name.startswith("__") for name in unknown):
        return False
    evident = told.evident
    return not evident or set(constants).issuperset(evident) or set(_flat(constants)).issuperset(evident)


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and all inside it."""
    waiting = [code]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(c for c in found.co_consts if isinstance(c, types.CodeType))


def _flat(constants: Iterable[Any]) -> Iterator[Any]:
    """Constants and those inside tuples and frozensets, however deep."""
    for value in constants:
        yield value
        if type(value) in (tuple, frozenset):
            yield from _flat(value)


def _compiles_to(chunk: Chunk, code: types.CodeType) -> bool:
    """Whether the text gives exactly this code; code that a tool rewrote cannot be compared and passes."""
    if any(name.startswith("@py") for inner in codes(code) for name in inner.co_names):
        return True
    return code in chunk.codes(code.co_qualname, code.co_firstlineno)


def bytecode(code: types.CodeType) -> str:
    """A digest of what the code does: instructions, names and constants, of inner code too."""
    out: list[str] = []
    for inner in codes(code):
        plain = [c for c in inner.co_consts if not isinstance(c, types.CodeType)]
        out += [inner.co_name, inner.co_code.hex(), *inner.co_names, *inner.co_varnames, *inner.co_freevars]
        out += [constant(c) for c in plain]
    return digest(*out)
