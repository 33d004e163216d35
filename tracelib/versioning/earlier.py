"""Names that a statement reads while its module runs, as far as a later statement binds them anew."""

from __future__ import annotations

import ast
from typing import Any

from tracelib.versioning.changing import Changing
from tracelib.versioning.chunks import Statement
from tracelib.versioning.definitions import written
from tracelib.versioning.names import Load
from tracelib.versioning.pieces import Inner, Owner, Piece
from tracelib.versioning.values import literal

LOOPS = (ast.For, ast.AsyncFor)


class Earlier(Changing):
    """What a name held when a statement ran, where that is not what it holds now."""

    def earlier(self, piece: Piece, load: Load) -> Owner | None:
        """The definition that a default, a base, a decorator or a computed value read; None if the last.

        `LIMIT = 1`, `def f(n=LIMIT)`, `LIMIT = 2`: the default is the first.
        """
        space, name = piece.space, load.chain[0]
        bindings = space.bindings(name)
        if len(bindings) < 2 or load.node is None or isinstance(space, Inner):
            return None
        bindings = [b for b in bindings if not b.statement.is_guard]
        using = next((s for s in piece.statements if id(load.node) in self._read_at_once(s)), None)
        if using is None:
            return None
        if _is_looped_over(using, load):
            return Owner("piece", piece)
        if not space.is_in_order:
            bindings = [b for b in bindings if b.statement.chunk is using.chunk]
        at = space.moment(using)
        before = [b for b in bindings if space.moment(b.statement) < at]
        if not before or max(space.moment(b.statement) for b in bindings) <= at:
            return None
        last = before[-1]
        if isinstance(last.bound.node, ast.alias):
            return None
        if last.statement in piece.statements:
            return Owner("piece", piece)
        known, value = literal(getattr(last.statement.node, "value", None))
        if known and written(last.statement, name, value) and not space.is_state(name):
            return self.constant(space, name, value, last.statement, ("earlier", id(last.statement)))
        return self.definition(space, name, last.statement, bindings)

    def _read_at_once(self, statement: Statement) -> set[int]:
        found = self.at_once.get(id(statement))
        if found is None:
            found = self.at_once[id(statement)] = _names_read_at_once(statement)
        return found


def _is_looped_over(statement: Statement, load: Load) -> bool:
    """Whether the name is the variable of the loop that the statement is."""
    node = statement.node
    if not isinstance(node, LOOPS) or any(n is load.node for n in ast.walk(node.iter)):
        return False
    return any(isinstance(n, ast.Name) and n.id == load.chain[0] for n in ast.walk(node.target))


def _names_read_at_once(statement: Statement) -> set[int]:
    """The Name nodes that are read when the statement runs, by id: not those in bodies of functions."""
    found: set[int] = set()
    waiting: list[Any] = [statement.node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            found.add(id(node))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += _run_with_definition(node, statement.chunk.future)
        elif isinstance(node, ast.GeneratorExp):
            waiting.append(node.generators[0].iter)
        else:
            waiting += ast.iter_child_nodes(node)
    return found


def _run_with_definition(node: Any, lazy: bool) -> list[ast.AST]:
    args = node.args
    found = [*getattr(node, "decorator_list", ()), *args.defaults, *args.kw_defaults]
    if not lazy:
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        found += [arg.annotation for arg in every if arg is not None]
        found.append(getattr(node, "returns", None))
    return [part for part in found if part is not None]
