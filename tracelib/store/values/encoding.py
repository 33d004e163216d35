"""Values as typed JSON: what JSON has is plain, everything else is `{"$": kind, ...}`.

Encoding never raises and runs no code of the value but, for a type it knows nothing of, its
`__repr__`. It is bounded: what is cut is marked, with its size, and a digest where one can be had.
Secrets are replaced before anything leaves this module. The way back is in decoding.py.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic_core import to_json

from tracelib.redaction import Redactor
from tracelib.store.values.decoding import Opaque, Stored, decode
from tracelib.store.values.objects import name_of
from tracelib.store.values.parts import Structure
from tracelib.store.values.walk import FEW, PREFIX, WIDE, Walk, holds_bytes

LIMIT = 8 << 20
"""Bytes of one value."""
ROOMY = 8 * FEW * PREFIX
"""A limit that no dict of a few short strings comes near."""

_ASCII = json.JSONEncoder(ensure_ascii=True, check_circular=False, allow_nan=False, separators=(",", ":"))

__all__ = ["Encoder", "Opaque", "Stored", "decode", "digest"]


class Encoder:
    """Writes values as JSON without secrets, `limit` bytes each and little more."""

    def __init__(self, redactor: Redactor, limit: int = LIMIT) -> None:
        self.redactor = redactor
        self.limit = limit
        self._known: set[str] = set()

    def encode(self, value: Any) -> bytes:
        """The value as typed JSON in UTF-8."""
        return self.both(value)[1]

    def plain(self, value: Any) -> Structure:
        """What `encode` writes, as lists, dicts and strings: a part of something larger."""
        return self.both(value)[0]

    def both(self, value: Any) -> tuple[Structure, bytes]:
        """What `plain` and what `encode` give."""
        kind = type(value)
        if kind is str and len(value) <= PREFIX:
            structure = value  # as it would come out of a walk
        elif kind is dict and len(value) <= FEW and self.limit >= ROOMY:
            structure = self._flat(value) or self._structure(value)
        else:
            structure = self._structure(value)
        data = self.dumps(structure)
        if not self.redactor.suspicious(data.decode()):
            return structure, data
        cleaned = _cleaned(structure, self.redactor)
        return cleaned, self.dumps(cleaned)

    def dumps(self, structure: Structure) -> bytes:
        """JSON text of what `plain` gave, or of a structure of such; a NaN in it is null."""
        try:
            return to_json(structure, inf_nan_mode="null")
        except ValueError:  # a lone surrogate, or deeper than it goes
            return _ASCII.encode(structure).encode()

    def _flat(self, value: dict[Any, Any]) -> dict[str, Any] | None:
        """A copy of a dict that a walk would give as it is; else None. A walk takes ten times as long."""
        copied = dict(value)  # another thread may be changing it
        known = self._known
        for key, item in copied.items():
            kind = type(item)
            if type(key) is not str or key not in known:
                return None
            if kind is str:
                if len(item) > PREFIX:
                    return None
            elif not (item is None or kind is bool or (kind is int and -WIDE < item < WIDE)):
                return None
        return copied

    def _structure(self, value: Any) -> Structure:
        try:
            return Walk(self.redactor, self.limit, self._known).of(value, 0)
        except RecursionError:  # the program itself stands near the limit
            return {"$": "cut", "type": name_of(type(value))}
        except Exception as error:  # an object hostile in a way not known here must not stop the program
            text = f"<not read: {type(error).__name__}>"
            return {"$": "opaque", "type": name_of(type(value)), "text": text}


def _cleaned(structure: Structure, redactor: Redactor) -> Structure:
    """Every string in it without the secrets in it."""
    if type(structure) is str:
        return redactor.text(structure)
    if type(structure) is list:
        return [_cleaned(item, redactor) for item in structure]
    if type(structure) is not dict or holds_bytes(structure):
        return structure
    return {redactor.text(key): _cleaned(item, redactor) for key, item in structure.items()}


def digest(data: bytes) -> str:
    """The sha256 of the bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
