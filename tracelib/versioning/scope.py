"""Which names a piece of code takes from its module, gives to it and changes there: read from the AST."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from tracelib.versioning.expressions import EXPRESSIONS
from tracelib.versioning.names import Names
from tracelib.versioning.reader import Reader
from tracelib.versioning.statements import STATEMENTS

HANDLERS = {**EXPRESSIONS, **STATEMENTS}


def names_of(nodes: Iterable[ast.AST], declaring: bool = True) -> Names:
    """The names of statements or expressions that are read as if they stood at the top of a module.

    `declaring` says whether there may be a `global` or `nonlocal` among them.
    """
    read = list(nodes)
    reader = Reader(HANDLERS, declaring)
    reader.read(read)
    if reader.names.imports:  # a name that was bound before may be that of a module where it is read
        reader = Reader(HANDLERS, declaring, thorough=True)
        reader.read(read)
    return reader.names
