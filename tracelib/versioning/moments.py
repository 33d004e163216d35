"""Constants that are not the same in each run, or in each folder: told by how they are computed.

The value of a computed constant counts, since it may come from a file. That of `time.time()` would make
each run a version, and that of `os.path.dirname(__file__)` each machine: the first counts by its
definition, the second by where it lies as seen from its module.
"""

from __future__ import annotations

import ast
import os
from typing import Any

from tracelib.versioning import places
from tracelib.versioning.chunks import Binding, Statement
from tracelib.versioning.imports import origin
from tracelib.versioning.names import Load
from tracelib.versioning.spaces import Space, Spaces

MOMENT, PLACE = "moment", "place"

MODULES = ("time", "random", "uuid", "secrets", "tempfile", "socket", "getpass", "platform", "numpy.random")
"""Modules whose results depend on when and where they are asked."""

FUNCTIONS = frozenset(
    (
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "os.getpid",
        "os.getppid",
        "os.getcwd",
        "os.getlogin",
        "os.urandom",
        "os.cpu_count",
        "os.path.expanduser",
        "pathlib.Path.cwd",
        "pathlib.Path.home",
    )
)
BUILTINS = frozenset(("id", "hash"))
"""Builtins that give another number in each process."""

LONG = 1_000
"""Elements from which on a tuple is not asked about."""
FOLLOWED = 100
"""Statements that are read for one constant; what lies further is taken to depend on nothing."""


def is_computed(statement: Statement, value: Any) -> bool:
    """Whether the right side of an assignment is worth asking about: it is no literal, as far as one sees."""
    node = statement.node
    if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) or value is None:
        return False
    return not isinstance(node.value, ast.Constant) and not (type(value) is tuple and len(value) > LONG)


def hints(spaces: Spaces, space: Space, statement: Statement) -> set[str]:
    """MOMENT and PLACE, as far as what the statement computes depends on them through any local name."""
    found: set[str] = set()
    seen = {id(statement)}
    waiting = [(space, statement)]
    while waiting and len(seen) <= FOLLOWED:
        here, reading = waiting.pop(0)
        for load in reading.names.loads:
            found.update(_hint(here, load))
            for where, binding in _bound(spaces, here, load.chain):
                if id(binding.statement) not in seen and not isinstance(binding.bound.node, ast.alias):
                    seen.add(id(binding.statement))
                    waiting.append((where, binding.statement))
    return found


def _hint(space: Space, load: Load) -> set[str]:
    name = load.chain[0]
    if name == "__file__":
        return {PLACE}
    bindings = space.bindings(name)
    if not bindings:
        return {MOMENT} if name in BUILTINS and name not in space.namespace else set()
    node = bindings[-1].bound.node
    if not isinstance(node, ast.alias):
        return set()
    whole = _imported(bindings[-1], load.chain)
    inside = any(whole == module or whole.startswith(f"{module}.") for module in MODULES)
    return {MOMENT} if inside or whole in FUNCTIONS else set()


def _imported(binding: Binding, chain: tuple[str, ...]) -> str:
    """The full dotted name that a chain stands for, past the import of its first name."""
    alias, node = binding.bound.node, binding.bound.statement
    assert isinstance(alias, ast.alias)
    if isinstance(node, ast.ImportFrom):
        return ".".join([node.module or "", alias.name, *chain[1:]])
    return ".".join([alias.name if alias.asname else chain[0], *chain[1:]])


def _bound(spaces: Spaces, space: Space, chain: tuple[str, ...]) -> list[tuple[Space, Binding]]:
    """The bindings of what a chain leads to, in the local module that it is imported from where it is."""
    where, name = origin(spaces, space, chain[0])
    bindings = where.bindings(name)
    node = bindings[-1].bound.node if bindings else None
    if isinstance(node, ast.alias) and len(chain) > 1:
        module = spaces.named(node.name if node.asname or "." not in node.name else chain[0])
        if module is not None:
            where, name = origin(spaces, module, chain[1])
    return [(where, binding) for binding in where.bindings(name)]


def as_seen_from(space: Space, value: Any) -> str | None:
    """A path as it lies from the folder of a module's file; None for what is no absolute path."""
    file = places.file_of(space.namespace)
    if file is None or type(value) is not str or "\n" in value or not os.path.isabs(value):
        return None
    folders = (os.path.dirname(os.path.abspath(file)), os.path.dirname(os.path.realpath(file)))
    try:
        return min((os.path.relpath(value, folder) for folder in folders), key=len)
    except ValueError:  # on another drive, or with a zero byte inside
        return None
