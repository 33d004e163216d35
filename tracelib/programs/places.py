"""Where a source file says what a parameter begins with: found in its syntax tree, nothing is run."""

from __future__ import annotations

import ast
import functools
import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tracelib.graph.code import at_margin
from tracelib.parsing import parsed

CONSTANT, DOCSTRING, CODE, LAMBDA = "constant", "docstring", "code", "lambda"
PARTS = {"lm": "system", "simple": "system", "complex": "system", "prompt": "template"}
"""Decorators that make a docstring a parameter, and what comes behind the function's path."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Place:
    """Where a parameter stands: `path` as a Module calls it, in the class or function `owner`.

    `value` is what the parameter holds when the program starts; it is not known where it is computed, then
    `problem` says why. `given` is the name that the user gave.
    """

    kind: str
    owner: str
    path: str
    node: Any
    value: Any = None
    known: bool = True
    problem: str = ""
    given: str | None = None
    nth: int = 0

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What stays the same of it while other places are changed; `nth` tells those apart of one path."""
        return self.kind, self.owner, self.path, self.nth

    @property
    def line(self) -> int:
        return int(self.node.lineno)

    def fits(self, path: str) -> bool:
        """Whether a parameter of that path, or name, may stand here."""
        mine = [name for name in (self.path, self.given) if isinstance(name, str) and name]
        return any(path == name or path.endswith(f".{name}") for name in mine)


@functools.lru_cache(maxsize=8)
def places_of(text: str) -> tuple[Place, ...]:
    """Every place in a file, in order. Raises SyntaxError, or ValueError, where it does not parse."""
    tree = parsed(text)
    met: Counter[Any] = Counter()
    found = []
    for place in _Reading(text, _constants(tree), _names(tree)).inside(tree, "", ""):
        found.append(replace(place, nth=met[place.key]))
        met[place.key] += 1
    return tuple(found)


@dataclass
class _Reading:
    """A file while it is read: its constants, and what it calls our functions."""

    text: str
    constants: Mapping[str, Any]
    names: Mapping[str, str]
    lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def inside(self, node: ast.AST, owner: str, path: str) -> Iterator[Place]:
        """The places under a node. `path` is what is assigned to, `owner` the definitions around it."""
        for child in ast.iter_child_nodes(node):
            yield from self.at(child, owner, path)

    def at(self, node: ast.AST, owner: str, path: str) -> Iterator[Place]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from self.decorated(node, owner)
            yield from self.inside(node, f"{owner}.{node.name}".strip("."), "")
        elif isinstance(node, ast.ClassDef):
            yield from self.inside(node, f"{owner}.{node.name}".strip("."), "")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            target = node.targets[-1] if isinstance(node, ast.Assign) else node.target
            yield from self.at(node.value, owner, _target(target))
        elif isinstance(node, (ast.List, ast.Tuple)):
            for i, item in enumerate(node.elts):
                yield from self.at(item, owner, f"{path}.{i}" if path else "")
        elif isinstance(node, ast.Dict):
            for key, item in zip(node.keys, node.values, strict=True):
                named = path and isinstance(key, ast.Constant)
                yield from self.at(item, owner, f"{path}.{_literal(key)[1]}" if named and key else "")
        elif isinstance(node, ast.Call) and (found := self.called(node, owner, path)) is not None:
            yield found
        else:
            yield from self.inside(node, owner, "")

    def decorated(self, node: Function, owner: str) -> Iterator[Place]:
        """What its decorators make a parameter of a function: the docstring, the code, or both."""
        for decorator in node.decorator_list:
            if not isinstance(decorator, ast.Call):
                continue
            name, learns = self.name(decorator.func), _option(decorator, "trainable")
            if learns is None or learns is False:
                continue
            given = _option(decorator, "name")
            if name in PARTS:
                yield self.docstring(node, owner, PARTS[name], given)
            if name == "bundle" or (name in PARTS and learns is not True):  # "all", or computed
                value = at_margin("\n".join(self.lines[node.lineno - 1 : node.end_lineno]))
                yield Place(CODE, owner, node.name, node, value, given=given)

    def docstring(self, node: Function, owner: str, part: str, given: Any) -> Place:
        first, path = node.body[0], f"{node.name}.{part}"
        name = f"{given}.{part}" if given else None
        found = ast.get_docstring(node, clean=False)
        if found is None or not isinstance(first, ast.Expr):
            return Place(
                DOCSTRING,
                owner,
                path,
                node,
                "",
                problem=f"{node.name} has no docstring to change",
                given=name,
            )
        return Place(DOCSTRING, owner, path, first.value, inspect.cleandoc(found), given=name)

    def called(self, node: ast.Call, owner: str, path: str) -> Place | None:
        """A call that makes a parameter: of `node` or `bundle` with `trainable=True`, or of `Parameter`."""
        name, learns = self.name(node.func), _option(node, "trainable", 2)
        if name not in ("node", "Parameter", "bundle") or (name != "Parameter" and not learns):
            return None
        value = node.args[0] if node.args else _keyword(node, "value")
        if value is None or (name == "bundle" and not isinstance(value, ast.Lambda)):
            return None
        given = _option(node, "name", 1)
        if isinstance(value, ast.Lambda):
            written = (ast.get_source_segment(self.text, value) or "").replace("\r\n", "\n")
            return Place(LAMBDA, owner, path or "lambda", value, written, given=given)
        return self.constant(value, owner, path, given)

    def constant(self, value: ast.expr, owner: str, path: str, given: str | None) -> Place:
        known, found = _literal(value)
        if known:
            return Place(CONSTANT, owner, path, value, found, given=given)
        if isinstance(value, ast.Name) and value.id in self.constants:
            why = f"it is the value of {value.id}, which others may use: change that yourself"
            return Place(CONSTANT, owner, path, value, self.constants[value.id], problem=why, given=given)
        why = f"it is computed there: {ast.unparse(value)[:80]}"
        return Place(CONSTANT, owner, path, value, known=False, problem=why, given=given)

    def name(self, function: ast.expr) -> str:
        """What a function is called at home, whatever it was imported as."""
        if isinstance(function, ast.Attribute):
            return function.attr
        return self.names.get(function.id, function.id) if isinstance(function, ast.Name) else ""


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Names that the module gives one literal, once."""
    found: dict[str, list[tuple[bool, Any]]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.setdefault(node.id, []).append((False, None))
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            found[name] = [_literal(node.value)] if len(found[name]) == 1 else found[name]
    return {name: said[0][1] for name, said in found.items() if len(said) == 1 and said[0][0]}


def _names(tree: ast.Module) -> dict[str, str]:
    return {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }


def _literal(value: ast.expr) -> tuple[bool, Any]:
    try:
        return True, ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _option(call: ast.Call, name: str, position: int | None = None) -> Any:
    """What a call says of an option: a literal's value, the expression where it is none, None without it."""
    value = _keyword(call, name)
    if value is None and position is not None and position < len(call.args):
        value = call.args[position]
    if value is None:
        return None
    known, found = _literal(value)
    return found if known else value


def _target(target: ast.expr) -> str:
    """What an assignment names: of `self.rules` the attribute."""
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ""
