"""One way through a value, within bounds of depth, members and bytes. What each type holds is in parts.py."""

from __future__ import annotations

import hashlib
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from tracelib.graph.node import Node
from tracelib.redaction import Redactor, is_secret_name, mark
from tracelib.store.values.objects import has_base, name_of
from tracelib.store.values.parts import CONTAINERS, Reader, Structure, cut, reader_of
from tracelib.store.values.scalars import SCALARS, written_float, written_int

DEPTH = 100
"""Containers within containers."""
ELEMENTS = 1_000_000
PREFIX = 1_000
"""Characters that are kept of a string that is cut; shorter strings are never cut."""
FEW = 64
"""Members of a container that are looked at even when there is no room left: the short ones fit."""
GRACE = 10_000
"""Such members in all."""
HASHED = 64 << 20
"""Bytes of what is cut that are still read for a digest, in all: more would keep the program waiting."""
BEFORE_CUT = 20 * PREFIX
"""Characters searched for secrets before a string is cut, so that no part of one is left at its end."""

WIDE = 1 << 63
"""Smaller ints are not counted: they take no more than the container that holds them."""

BESIDE = 16
"""Bytes that count for each member of a container beside its value: most keys are no longer."""
KNOWN = 10_000

TYPED_DATA = frozenset(("bytes", "bytearray", "array", "numpy"))
"""Kinds whose strings are base64."""


class Walk:
    """Goes once through one value; `left` bytes and `elements` members may still be read.

    `known` are keys that were found to be plain and no secret's name, kept from one walk to the next.
    """

    elements = ELEMENTS
    grace = GRACE
    hashed = HASHED

    def __init__(self, redactor: Redactor, limit: int, known: set[str]) -> None:
        self.redactor = redactor
        self.left = limit
        self.known = known
        self.active: set[int] = set()

    def of(self, value: Any, depth: int) -> Structure:
        """The value as JSON has it, or as `{"$": kind, ...}`."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if value is None or value is True or value is False:
            return value
        if kind is int:
            return value if -WIDE < value < WIDE else self.number(value)
        if kind is float:
            return value if value - value == 0.0 else written_float(value)
        reader = CONTAINERS.get(id(kind))
        if reader is not None:
            return self.inside(value, reader, depth)
        writer = SCALARS.get(id(kind))
        if writer is not None:
            return writer(value)
        if has_base(kind, Node):
            return self.of(value._data, depth)
        return self.inside(value, reader_of(kind), depth)

    def inside(self, value: Any, reader: Reader, depth: int) -> Structure:
        """What has parts: a container of Python, or a user's object."""
        if id(value) in self.active:
            return {"$": "cycle"}
        if depth >= DEPTH:
            return {"$": "cut", "type": name_of(type(value)), "depth": depth}
        self.active.add(id(value))
        made = reader(self, value, depth + 1)
        self.active.discard(id(value))
        return made

    def text(self, value: str) -> Structure:
        """A string of exactly that type; a long one for which there is no room is cut."""
        size = len(value)
        if size > PREFIX:
            return self._long_text(value)
        self.left -= size if value.isascii() else 3 * size
        return value

    def _long_text(self, value: str) -> Structure:
        size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        if size <= self.left:
            self.left -= size
            return value
        self.left -= PREFIX
        prefix = self.redactor.text(value[:BEFORE_CUT])[:PREFIX]
        digest = self.digest(size, lambda: value.encode("utf-8", "surrogatepass"))
        return {"$": "cut", "type": "str", "size": size, **digest, "prefix": prefix}

    def digest(self, size: int, read: Callable[[], bytes]) -> dict[str, str]:
        """The digest of a value that is cut, unless so many bytes would keep the program waiting."""
        if size > self.hashed:
            return {}
        self.hashed -= size
        return {"sha256": hashlib.sha256(read()).hexdigest()}

    def number(self, value: int) -> Structure:
        """An int of any size."""
        size = value.bit_length() >> 2
        if size > self.left and size > PREFIX:
            return {"$": "cut", "type": "int", "size": size}
        self.left -= size + 1
        return written_int(value)

    def binary(self, kind: str, value: bytes) -> Structure:
        """Bytes in base64, without the secrets that stand in them."""
        size = len(value)
        if size * 4 // 3 > self.left and size > PREFIX:
            self.left -= PREFIX
            return {"$": "cut", "type": kind, "size": size, **self.digest(size, lambda: value)}
        self.left -= size * 4 // 3
        text = value.decode("utf-8", "surrogateescape")
        cleaned = self.redactor.text(text)
        if cleaned != text:
            value = cleaned.encode("utf-8", "surrogateescape")
        return {"$": kind, "data": b64encode(value).decode()}

    def room(self, values: Iterable[Any], size: int) -> list[Any]:
        """The members that may be read: all of them, unless there is no room."""
        self.left -= BESIDE * size
        self.elements -= size
        if self.elements >= 0:
            return list(values)
        self.left = min(self.left, -1)
        return list(islice(values, max(self.elements + size, FEW)))

    def full(self, members: int) -> bool:
        """Whether a container with so many members already gets no more."""
        if self.left >= 0:
            return False
        self.grace -= 1
        return members >= FEW or self.grace < 0

    def members(self, values: Iterable[Any], size: int, depth: int) -> tuple[list[Structure], bool]:
        """The members of a container, and whether these are all."""
        found = self.room(values, size)
        if 8 * len(found) <= self.left and _numbers(found):
            self.left -= 8 * len(found)
            return found, len(found) >= size
        made: list[Structure] = []
        for item in found:
            if self.full(len(made)):
                break
            made.append(self.of(item, depth))
        return made, len(made) >= size

    def sequence(self, kind: str, values: Iterable[Any], size: int, depth: int) -> Structure:
        """A container that is told by its kind and members."""
        made, whole = self.members(values, size, depth)
        return {"$": kind, "items": made} if whole else cut(kind, size, made)

    def mapping(self, items: Iterable[tuple[Any, Any]], size: int, depth: int) -> Structure:
        """A dict as an object of JSON where its keys allow it, else as pairs."""
        found = self.room(items, size)
        made: dict[str, Structure] = {}
        for key, item in found:
            if self.left < 0 and self.full(len(made)):
                break
            if type(key) is str and key in self.known:
                made[key] = self.text(item) if type(item) is str else self.of(item, depth)
            elif not _is_plain(key):
                return self.pairs("dict", found, size, depth, made)
            else:
                made[key] = self.of(item, depth) if self.learned(key) else masked(self.of(item, depth))
        return made if len(made) >= size else cut("dict", size, _listed(made))

    def learned(self, key: str) -> bool:
        """Whether a plain key is no secret's name; most are met again."""
        self.left -= len(key)
        if is_secret_name(key):
            return False
        if len(key) <= BESIDE and len(self.known) < KNOWN:
            self.known.add(key)
        return True

    def pairs(
        self,
        kind: str,
        items: list[tuple[Any, Any]],
        size: int,
        depth: int,
        written: Mapping[str, Structure] = MappingProxyType({}),
    ) -> Structure:
        """A dict as a list of keys and values, of which the first may be written already."""
        made = _listed(written)
        for key, item in items[len(made) :]:
            if self.full(len(made)):
                break
            made.append(self.pair(key, item, depth))
        return {"$": kind, "items": made} if len(made) >= size else cut(kind, size, made)

    def pair(self, key: Any, item: Any, depth: int) -> list[Structure]:
        """A key and its value, which is masked where the key is the name of a secret."""
        written = self.of(item, depth)
        return [self.of(key, depth), masked(written) if self.names_secret(key) else written]

    def names_secret(self, key: Any) -> bool:
        """Whether a key, which may be bytes as in HTTP headers, says that a secret follows."""
        kind = type(key)
        if has_base(kind, str):
            name = str.__str__(key)
        elif has_base(kind, bytes):
            name = bytes.__getitem__(key, slice(PREFIX)).decode("latin-1")
        else:
            return has_base(kind, Node) and self.names_secret(key._data)
        return len(name) < PREFIX and is_secret_name(name)


def _is_plain(key: Any) -> bool:
    """Whether a key is one of JSON, and none of ours."""
    return type(key) is str and key[:1] != "$" and len(key) <= PREFIX


def _listed(written: Mapping[str, Structure]) -> list[Structure]:
    return [[key, item] for key, item in written.items()]


def holds_bytes(structure: dict[str, Structure]) -> bool:
    """Whether its text is base64, in which no secret is looked for."""
    return "data" in structure and structure.get("$") in TYPED_DATA


def masked(structure: Structure) -> Structure:
    """Every string in it replaced by its mark: what stands under a secret's name."""
    if type(structure) is str:
        return mark(structure)
    if type(structure) is list:
        return [masked(item) for item in structure]
    if type(structure) is not dict:
        return structure
    if holds_bytes(structure):
        return mark(b64decode(structure["data"]).decode("utf-8", "surrogateescape"))
    ours = ("$", "type", "how") if "$" in structure else ()
    return {key: item if key in ours else masked(item) for key, item in structure.items()}


def _numbers(values: list[Any]) -> bool:
    """Whether all are ordinary ints, or all finite floats: a vector needs no look at each of its members."""
    kinds = set(map(id, map(type, values)))
    if kinds == {id(float)}:
        return math.isfinite(sum(values))
    return kinds == {id(int)} and min(values) > -WIDE and max(values) < WIDE
