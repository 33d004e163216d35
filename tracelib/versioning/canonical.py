"""One text for all ways to write the same code: what the hash is taken of.

Layout, comments, quotes, the spelling of numbers and the minor version of Python leave it as it is;
docstrings, annotations, constants and names do not. Trees may be nested as deep as Python reads them.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from typing import Any

from tracelib.versioning.forms import DEPTH, FORMS

SCHEME = "v1"
"""The tag of every hash made from this text; another way to write it is another scheme."""


def digest(*texts: str) -> str:
    """sha256 of the texts, each with its length in front, in hexadecimal."""
    found = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        found.update(b"%d:%b" % (len(encoded), encoded))
    return found.hexdigest()


def canonical(nodes: Iterable[ast.AST]) -> str:
    """The canonical text of statements or expressions."""
    text: list[str] = []
    waiting: list[Any] = list(nodes)[::-1]
    while waiting:
        item = waiting.pop()
        if item.__class__ is str:
            text.append(item)
            continue
        parts: list[Any] = []
        FORMS[item.__class__](item, parts.append, DEPTH)
        try:
            text.append("".join(parts))
        except TypeError:  # something in there is nested deeper than DEPTH
            waiting += reversed(parts)
    return "".join(text)
