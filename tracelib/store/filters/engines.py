"""Functions of text that SQLite and PostgreSQL spell differently, as expressions that mean the same on both.

LIKE is not among them: SQLite's ignores case and PostgreSQL's does not, and both give wildcards a meaning.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Integer, LargeBinary, String, and_, func, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

Words = ColumnElement[str]

MARKS = {
    "\\\\": "\x01",
    '\\"': "\x02",
    "\\n": "\x03",
    "\\r": "\x04",
    "\\t": "\x05",
    "\\b": "\x06",
    "\\f": "\x07",
    "\\u00": "\x0e",
}
"""What JSON escapes, each with a control character that stands for it: JSON never holds those as they are.

Of a rare control character, such as \\u001b, the last two digits stay: SQLite's parser allows no longer
list of replacements.
"""
IN_ESCAPES = frozenset('\\"nrtbfu0')
"""Where a search could begin inside an escape."""


class position(FunctionElement[int]):  # noqa: N801 - it is written like a function of SQL
    """Where a text begins in another, from 1; 0 when it does not occur. Case matters."""

    type = Integer()
    inherit_cache = True


class tail(FunctionElement[str]):  # noqa: N801
    """The last so many characters of a text."""

    type = String()
    inherit_cache = True


class folded(FunctionElement[str]):  # noqa: N801
    """A text with the letters A to Z made small: what both engines do alike, in every locale."""

    type = String()
    inherit_cache = True


class hexadecimal(FunctionElement[str]):  # noqa: N801
    """Bytes as small hexadecimal digits."""

    type = String()
    inherit_cache = True


class member(FunctionElement[str]):  # noqa: N801
    """The JSON text of a member of an object, by its name; NULL when there is none."""

    type = String()
    inherit_cache = True


@compiles(position, "sqlite")
def _instr(element: position, compiler: SQLCompiler, **keywords: Any) -> str:
    return f"instr({compiler.process(element.clauses, **keywords)})"


@compiles(position)
def _strpos(element: position, compiler: SQLCompiler, **keywords: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **keywords)})"


@compiles(tail, "sqlite")
def _substr(element: tail, compiler: SQLCompiler, **keywords: Any) -> str:
    text, count = (compiler.process(part, **keywords) for part in element.clauses)
    return f"substr({text}, -{count})"


@compiles(tail)
def _right(element: tail, compiler: SQLCompiler, **keywords: Any) -> str:
    return f"right({compiler.process(element.clauses, **keywords)})"


@compiles(folded, "sqlite")
def _lower(element: folded, compiler: SQLCompiler, **keywords: Any) -> str:
    return f"lower({compiler.process(element.clauses, **keywords)})"


@compiles(folded)
def _lower_c(element: folded, compiler: SQLCompiler, **keywords: Any) -> str:
    return f'lower(({compiler.process(element.clauses, **keywords)}) COLLATE "C")'


@compiles(hexadecimal, "sqlite")
def _hex(element: hexadecimal, compiler: SQLCompiler, **keywords: Any) -> str:
    return f"lower(hex({compiler.process(element.clauses, **keywords)}))"


@compiles(hexadecimal)
def _encode(element: hexadecimal, compiler: SQLCompiler, **keywords: Any) -> str:
    return f"encode({compiler.process(element.clauses, **keywords)}, 'hex')"


@compiles(member, "sqlite")
def _arrow(element: member, compiler: SQLCompiler, **keywords: Any) -> str:
    text, name = (compiler.process(part, **keywords) for part in element.clauses)
    return f"""({text} -> ('$."' || {name} || '"'))"""


@compiles(member)
def _json_arrow(element: member, compiler: SQLCompiler, **keywords: Any) -> str:
    """PostgreSQL refuses \\u0000: escapes are hidden behind two code points that are no characters."""
    text, name = (compiler.process(part, **keywords) for part in element.clauses)
    hidden = f"replace(replace({text}, '\\\\', chr(64976)), '\\u', chr(64977))"
    found = f"(CAST({hidden} AS JSON) -> {name})::text"
    return f"replace(replace({found}, chr(64977), '\\u'), chr(64976), '\\\\')"


def bound(text: str) -> Words:
    """A text as a bound parameter."""
    return literal(text, String())


def bound_bytes(data: bytes) -> ColumnElement[bytes]:
    return literal(data, LargeBinary())


def contains(text: Words, needle: str) -> ColumnElement[bool]:
    """Whether a column of plain text holds the needle."""
    return position(text, bound(needle)) > 0


def starts(text: Words, beginning: str) -> ColumnElement[bool]:
    return func.substr(text, 1, len(beginning), type_=String()) == bound(beginning)


def ends(text: Words, end: str) -> ColumnElement[bool]:
    return tail(text, literal(len(end), Integer())) == bound(end) if end else starts(text, "")


def escaped(text: str) -> str:
    """A text as it stands in stored JSON, without the quotes around it."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def json_contains(text: Words, needle: str) -> ColumnElement[bool]:
    """Whether JSON holds the needle in a string: an n is not found in the escape of a line's end.

    The plain search comes first, and is all there is where the needle cannot begin inside an escape.
    """
    found = contains(text, escaped(needle))
    if escaped(needle)[:1] not in IN_ESCAPES:
        return found
    return and_(found, contains(_marked(text), mark(escaped(needle))))


def json_starts(text: Words, beginning: str) -> ColumnElement[bool]:
    """Whether JSON is a string that begins so."""
    return starts(text, '"' + escaped(beginning))


def json_ends(text: Words, end: str) -> ColumnElement[bool]:
    """Whether JSON is a string that ends so."""
    return and_(starts(text, '"'), ends(_marked(text), mark(escaped(end)) + '"'))


def _marked(text: Words) -> Words:
    for escape, sign in MARKS.items():
        text = func.replace(text, bound(escape), bound(sign), type_=String())
    return text


def mark(text: str) -> str:
    """JSON with control characters for its escapes."""
    for escape, sign in MARKS.items():
        text = text.replace(escape, sign)
    return text


def plain_contains(text: str, needle: str) -> bool:
    """The same as `json_contains`, in Python."""
    return mark(escaped(needle)) in mark(text)


def plain_starts(text: str, beginning: str) -> bool:
    return text.startswith('"' + escaped(beginning))


def plain_ends(text: str, end: str) -> bool:
    return text.startswith('"') and mark(text).endswith(mark(escaped(end)) + '"')


def small(text: str) -> str:
    """The same as `folded`, in Python."""
    return text.encode(errors="surrogatepass").lower().decode(errors="surrogatepass")
