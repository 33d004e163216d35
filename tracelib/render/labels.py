"""Any value as a few short lines of text; never raises, never long, the same on every run."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

WIDTH = 44  # characters in one line of a label
LIMIT = 120  # characters of a value that are shown
SLACK = 80  # characters that the sizes of cut parts may add
ITEMS = 12  # entries of a container that are looked at
DEPTH = 3  # containers inside containers that are looked at
DIGITS = 1_000  # bits of an int above which its digits are not written out

ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def label(value: Any, limit: int = LIMIT) -> tuple[str, ...]:
    """The value as lines of at most 44 characters, about `limit` in all; a cut is marked with the size."""
    if isinstance(value, str):
        return clip(plain(value), limit, quoted=True)
    return clip(short(value, limit), limit + SLACK)


def code_label(source: str, limit: int = LIMIT) -> tuple[str, ...]:
    """The first lines of a program's text, unquoted; the rest is counted."""
    return clip(source, limit)


def plain(text: str) -> str:
    """A str, also of a subclass that overrides everything."""
    return text if type(text) is str else str.__str__(text)


def clip(text: str, limit: int = LIMIT, quoted: bool = False) -> tuple[str, ...]:
    """Lines of at most 44 cells, `limit` characters in all, unprintable characters escaped.

    A text that was cut ends with `… (12,345 characters)`, and tells its lines if it has several.
    """
    if len(text) <= min(limit, WIDTH - 2) and text.isprintable():
        return (quote(text),) if quoted else (text,)
    rows = max(3, -(-limit // WIDTH))
    if len(text) <= limit:
        lines, whole = wrapped(quote(text) if quoted else text, rows)
        if whole:
            return tuple(lines)
    head = text[:limit]
    lines, _ = wrapped(quote(head)[:-1] if quoted else head, rows)
    mark = f"… ({size_of(text)})"
    if cells(lines[-1]) + len(mark) < WIDTH:
        return (*lines[:-1], f"{lines[-1]}{mark}")
    return (*lines, mark)


def one_line(text: str, limit: int = 60) -> str:
    """The text in one line: breaks and what would not show are escaped, and a cut is marked."""
    if len(text) <= WIDTH and text.isprintable():
        return text
    return " ".join(clip(text.replace("\n", "\\n"), limit))


def quote(text: str) -> str:
    return f'"{text}"' if "'" in text and '"' not in text else f"'{text}'"


def size_of(text: str) -> str:
    """The size of a text in words: its characters, and its lines if there are several."""
    breaks = text.count("\n")
    characters = f"{len(text):,} characters"
    return f"{breaks + 1:,} lines, {characters}" if breaks else characters


def wrapped(text: str, rows: int) -> tuple[list[str], bool]:
    """Printable pieces of the text's lines, at most `rows`, and whether that was all of it."""
    pieces: list[str] = []
    for line in text.split("\n"):
        rest = printable(line)
        while len(pieces) < rows:
            piece, rest = first_piece(rest)
            pieces.append(piece)
            if not rest:
                break
        else:
            return pieces, False
    return pieces, True


def first_piece(line: str) -> tuple[str, str]:
    """The line up to a space before the label's width, and what follows."""
    if cells(line) <= WIDTH:
        return line, ""
    end = WIDTH if line.isascii() else fitting(line)
    space = line.rfind(" ", end // 2, end + 1)
    return (line[:space], line[space + 1 :]) if space > 0 else (line[:end], line[end:])


def fitting(line: str) -> int:
    """How many characters of the line fill the label's width."""
    used = 0
    for count, character in enumerate(line):
        used += cells(character)
        if used > WIDTH:
            return max(count, 1)
    return len(line)


def cells(text: str) -> int:
    """Columns the text takes in a fixed-width font; East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def printable(text: str) -> str:
    r"""The text with every character that would not show (controls, bidi marks, surrogates) as `\x..`."""
    if text.isprintable():
        return text
    text = text.replace("\t", "    ").rstrip("\r")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def short(value: Any, limit: int = LIMIT, depth: int = DEPTH) -> str:
    """A representation of at most about `limit` characters, without memory addresses.

    A `__repr__` of the user's that fails is reported in the text; KeyboardInterrupt and its like pass.
    """
    try:
        return written(value, limit, depth)
    except Exception as error:
        return broken(value, error)


def broken(value: Any, error: Exception) -> str:
    try:
        reason = str(error)[:60]
    except Exception:  # an exception may fail to describe itself, too
        reason = ""
    return f"<{type(value).__name__}: repr failed: {type(error).__name__}{reason and ': ' + reason}>"


def written(value: Any, limit: int, depth: int) -> str:
    own: Any = type(value).__repr__
    writer = WRITERS.get(own)
    if writer is not None:
        return writer(value, limit, depth)
    if own is object.__repr__:
        return f"<{type(value).__name__}>"
    if is_array(value):
        return array(value, limit)
    fields = fields_of(value)
    return record(value, fields, limit, depth) if fields is not None else user_repr(value, limit)


def user_repr(value: Any, limit: int) -> str:
    text = repr(value)
    return shortened(ADDRESS.sub("", text[: 4 * limit]), len(text), limit)


def shortened(text: str, length: int, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({length:,} characters)"


def number(value: Any, limit: int, depth: int) -> str:
    if value.bit_length() > DIGITS:  # Python refuses to write out very long ones
        return f"<int of about {int(value.bit_length() * 0.30103) + 1:,} digits>"
    return int.__repr__(value)


def text(value: str, limit: int, depth: int) -> str:
    head = str.__getitem__(value, slice(limit))
    return str.__repr__(head) if len(head) == str.__len__(value) else f"{head!r}… ({size_of(plain(value))})"


def raw(value: Any, limit: int, depth: int) -> str:
    head = bytes(value[:limit])
    return repr(head) if len(head) == len(value) else f"{head!r}… ({len(value):,} bytes)"


def sequence(opening: str, closing: str, iterate: Callable[[Any], Iterable[Any]]) -> Writer:
    def write(value: Any, limit: int, depth: int) -> str:
        size = len(value)
        if depth <= 0:
            return f"{opening}… ({size:,} items){closing}"
        items = (("", item) for item in iterate(value))
        return f"{opening}{entries(items, size, limit, depth)}{closing}"

    return write


def mapping(value: dict[Any, Any], limit: int, depth: int) -> str:
    if depth <= 0:
        return f"{{… ({len(value):,} items)}}"
    items = ((f"{short(key, limit, depth - 1)}: ", item) for key, item in dict.items(value))
    return f"{{{entries(items, len(value), limit, depth)}}}"


def entries(items: Iterable[tuple[str, Any]], size: int, limit: int, depth: int) -> str:
    """As many `prefix` + value as fit, then how many there are."""
    shown: list[str] = []
    room = limit
    for prefix, item in islice(items, ITEMS):
        piece = prefix + short(item, max(room, 16), depth - 1)
        shown.append(piece)
        room -= len(piece) + 2
        if room <= 0:
            break
    if len(shown) < size:
        shown.append(f"… ({size:,} items)")
    return ", ".join(shown)


def ordered_set(value: set[Any]) -> list[Any]:
    """Members in the order of their text: a set's own order differs between processes."""
    members = list(islice(value, 10 * ITEMS))
    return sorted(members, key=short) if len(members) == len(value) else members


def plain_repr(value: Any, limit: int, depth: int) -> str:
    return repr(value)


def named(word: str) -> Writer:
    def write(value: Any, limit: int, depth: int) -> str:
        return f"<{word} {getattr(value, '__qualname__', None) or type(value).__name__}>"

    return write


def is_array(value: Any) -> bool:
    """Arrays, tensors, frames and series, known by what they have: none of their packages is imported."""
    return isinstance(getattr(value, "shape", None), tuple) and (
        hasattr(value, "dtype") or hasattr(value, "columns")
    )


def array(value: Any, limit: int) -> str:
    kind = type(value).__name__
    columns = getattr(value, "columns", None)
    if columns is not None and len(value.shape) == 2:
        names = entries((("", column) for column in columns), value.shape[1], limit, 1)
        return f"{kind}, {value.shape[0]:,} rows × {value.shape[1]:,} columns: {names}"
    if value.shape == ():
        return user_repr(value, limit)
    size = " × ".join(f"{side:,}" for side in value.shape)
    return f"{kind} {value.dtype}, {size}"


def fields_of(value: Any) -> Iterable[str] | None:
    """Names of the fields of a dataclass or pydantic model that keeps the repr it was given."""
    kind = type(value)
    if dataclasses.is_dataclass(kind) and getattr(kind.__repr__, "__wrapped__", None) is not None:
        return [field.name for field in dataclasses.fields(kind) if field.repr]
    if hasattr(kind, "__pydantic_fields__") and kind.__repr__.__module__.startswith("pydantic"):
        return list(kind.__pydantic_fields__)
    return None


def record(value: Any, names: Iterable[str], limit: int, depth: int) -> str:
    kind = type(value).__name__
    if depth <= 0:
        return f"{kind}(…)"
    listed = list(names)
    fields = ((f"{name}=", getattr(value, name)) for name in listed)
    return f"{kind}({entries(fields, len(listed), limit, depth)})"


Writer = Callable[[Any, int, int], str]

WRITERS: dict[Any, Writer] = {
    int.__repr__: number,
    str.__repr__: text,
    bytes.__repr__: raw,
    bytearray.__repr__: raw,
    list.__repr__: sequence("[", "]", list.__iter__),
    tuple.__repr__: sequence("(", ")", tuple.__iter__),
    set.__repr__: sequence("set({", "})", ordered_set),
    frozenset.__repr__: sequence("frozenset({", "})", ordered_set),
    dict.__repr__: mapping,
    float.__repr__: plain_repr,
    bool.__repr__: plain_repr,
    complex.__repr__: plain_repr,
    type(None).__repr__: plain_repr,
    type.__repr__: named("class"),
    type(short).__repr__: named("function"),
    type(len).__repr__: named("function"),
}
