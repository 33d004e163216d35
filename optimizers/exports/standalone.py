"""A source file that runs without us: a few lines of plain Python take the place of tracelib."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from tracelib.errors import OptimizerError
from tracelib.parsing import parsed
from tracelib.programs.sources import SourceFile

OURS = ("tracelib", "optimizers")
OFFERED = (
    "Module",
    "Parameter",
    "assistant",
    "bundle",
    "init",
    "lm",
    "model",
    "node",
    "simple",
    "stop_tracing",
    "system",
    "user",
)
"""The names of tracelib that the stand-in has."""
UNKNOWN = ("client", "n", "raw", "response_format", "tools")
"""Options of a language model program that the stand-in does not know."""
STAND_IN = "_tracelib"
TRAINED = "pass  # what ran here trained the program"
Span = tuple[ast.stmt, str]


@cache
def stand_in() -> str:
    """The lines that take the place of tracelib."""
    return (files("optimizers.exports") / "stand_in.txt").read_text(encoding="utf-8")


def standalone(file: SourceFile) -> SourceFile:
    """The file without tracelib and optimizers; everything else of it stays as it was written.

    What stands under `if __name__ == "__main__":` goes, if it needs us. Raises OptimizerError that names
    the lines which need what the stand-in has not.
    """
    tree = parsed(file.text)
    reading = _Reading()
    reading.imports(tree)
    if not reading.replaced:
        return file
    main = [node for node in tree.body if _is_main(node) and any(reading.needs(node))]
    inside = {id(inner) for node in main for inner in ast.walk(node)}
    needed = [need for need in reading.needs(tree) if id(need[0]) not in inside]
    if needed:
        said = "; ".join(f"{file.path}:{node.lineno} uses {what}" for node, what in needed[:5])
        raise OptimizerError(
            f"it would not run alone: {said}. Move what trains the program under "
            '`if __name__ == "__main__":` or into another file, or export a patch'
        )
    kept = [(node, text) for node, text in reading.replaced if id(node) not in inside]
    edits = [*kept, *((statement, TRAINED) for node in main for statement in _whole_body(node))]
    return _with_stand_in(_edited(file, edits), tree)


@dataclass
class _Reading:
    """What a file takes from us: its names for our modules, for what the stand-in has, and for the rest."""

    modules: set[str] = field(default_factory=set)
    others: dict[str, str] = field(default_factory=dict)
    programs: set[str] = field(default_factory=set)
    replaced: list[Span] = field(default_factory=list)

    def imports(self, tree: ast.AST) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import) and any(_is_ours(alias.name) for alias in node.names):
                self.replaced.append((node, "; ".join(self._import(node))))
            elif isinstance(node, ast.ImportFrom) and not node.level and _is_ours(node.module or ""):
                self.replaced.append((node, "; ".join(self._from(node)) or "pass"))

    def _import(self, node: ast.Import) -> Iterator[str]:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            if not _is_ours(alias.name):
                yield f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
            elif alias.name.startswith("tracelib"):
                self.modules.add(name)
                yield f"{name} = {STAND_IN}"
            else:
                self.others[name] = alias.name
                yield "pass"

    def _from(self, node: ast.ImportFrom) -> Iterator[str]:
        offers = (node.module or "").partition(".")[0] == "tracelib"
        for alias in node.names:
            name = alias.asname or alias.name
            if offers and alias.name in OFFERED:
                self.programs |= {name} if alias.name in ("lm", "simple") else set()
                yield f"{name} = {STAND_IN}.{alias.name}"
            else:
                self.others[name] = f"{alias.name} of {node.module}"

    def needs(self, tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
        """The places that need more than the stand-in has, and what they need."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and self._is_module(node.value):
                if node.attr not in OFFERED:
                    yield node, f"{ast.unparse(node)}"
            elif isinstance(node, ast.Name) and node.id in self.others:
                yield node, self.others[node.id]
            elif isinstance(node, ast.Call) and self._is_program(node.func):
                yield from ((node, f"{each.arg}= of lm") for each in node.keywords if each.arg in UNKNOWN)
        if "*" in self.others:
            first = next(node for node in ast.walk(tree) if isinstance(node, ast.expr))
            yield first, self.others["*"]

    def _is_module(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.modules

    def _is_program(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Attribute):
            return self._is_module(node.value) and node.attr in ("lm", "simple")
        return isinstance(node, ast.Name) and node.id in self.programs


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS


def _is_main(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and not node.orelse
        and ast.unparse(node.test) in ("__name__ == '__main__'", "'__main__' == __name__")
    )


def _whole_body(node: ast.stmt) -> list[ast.stmt]:
    """One statement that stands for all of a block, from its first line to its last."""
    assert isinstance(node, ast.If)
    first, last = node.body[0], node.body[-1]
    whole = ast.Pass()
    decorators = getattr(first, "decorator_list", [])
    start = decorators[0] if decorators else first
    whole.lineno, whole.col_offset = start.lineno, first.col_offset
    whole.end_lineno, whole.end_col_offset = last.end_lineno, last.end_col_offset
    return [whole]


def _edited(file: SourceFile, edits: list[Span]) -> SourceFile:
    """The file with other text in the place of statements, the last one first."""
    for node, text in sorted(edits, key=lambda edit: (-edit[0].lineno, -edit[0].col_offset)):
        start = file.offset(node.lineno, node.col_offset)
        end = file.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        file = file.edited(start, end, text)
    return file


def _with_stand_in(file: SourceFile, tree: ast.Module) -> SourceFile:
    """The stand-in goes behind the docstring and what Python wants first."""
    place = next((place for place, node in enumerate(tree.body) if not _is_opening(place, node)), 0)
    node = tree.body[place]
    decorators = getattr(node, "decorator_list", [])
    start = file.offset(min([node.lineno, *(one.lineno for one in decorators)]), 0)
    return file.edited(start, start, f"{stand_in()}\n\n")


def _is_opening(place: int, node: ast.stmt) -> bool:
    documented = place == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return documented or (isinstance(node, ast.ImportFrom) and node.module == "__future__")
