"""The source of a trainable function: read, checked, compiled. Running it is the bundle's business."""

from __future__ import annotations

import ast
import copy
import hashlib
import inspect
import io
import linecache
import tokenize
import types
from collections.abc import Callable, Sequence
from typing import Any

from tracelib.errors import GraphError, SignatureError
from tracelib.graph.late import late
from tracelib.graph.operator import find
from tracelib.modules import importable
from tracelib.parsing import parsed

FUTURE_ANNOTATIONS = annotations.compiler_flag
KIND_FLAGS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

Runner = Callable[["CodeSlot", str, types.FunctionType], Callable[..., Any]]
"""Gives what runs in place of a function, which a source of that slot defines."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class CodeSlot:
    """A trainable function's code: its original source, and a function for each accepted source.

    New code sees what the original saw: the globals of its module as they are when it runs, and the
    variables of enclosing functions that the original used. Each source is compiled once, with real
    line numbers; a compiled source is not run by compiling it.
    """

    def __init__(self, fn: types.FunctionType, owner: type | None = None) -> None:
        self.fn = fn
        self.owner = owner
        self.original = source_of(fn)
        self._functions: dict[str, Callable[..., Any]] = {self.original: fn}
        self._confined: dict[str, Runner] = {}

    @property
    def program(self) -> str | None:
        """The function as "module:qualname"."""
        return f"{importable(self.fn.__module__)}:{self.fn.__qualname__}"

    def function(self, source: str) -> Callable[..., Any]:
        """The function that `source` defines; raises SignatureError when it cannot stand in."""
        found = self._functions.get(source)
        if found is None:
            found = self._functions[source] = self._compiled(source)
        return found

    def confine(self, source: str, runner: Runner) -> None:
        """From now on a runner runs this source wherever the function is called; never the user's own."""
        if source != self.original and self._confined.get(source) != runner:
            self._functions[source] = runner(self, source, self._compiled(source))
            self._confined[source] = runner

    def confines(self, source: str) -> bool:
        """Whether a runner runs this source."""
        return source in self._confined

    def check(self, source: Any) -> str:
        """`source` as it will be kept; raises SignatureError with the reason when it does not fit."""
        if not isinstance(source, str):
            raise SignatureError(f"code is text, the proposal is {type(source).__name__}", value=source)
        text = at_margin(str.__str__(source).strip("\n").rstrip())
        self.function(text)
        return text

    def _compiled(self, source: str) -> types.FunctionType:
        definition = self._definition(source)
        self._compare(definition, source)
        filename = f"<tracelib {self.fn.__name__} {hashlib.sha256(source.encode()).hexdigest()[:8]}>"
        code = self._code(definition, filename, source)
        if (code.co_flags ^ self.fn.__code__.co_flags) & KIND_FLAGS:
            raise self._refused("it must stay a plain, async or generator function as it was", source)
        made = types.FunctionType(code, self.fn.__globals__, self.fn.__name__, None, self._closure(code))
        made.__defaults__, made.__kwdefaults__ = self.fn.__defaults__, self.fn.__kwdefaults__
        made.__qualname__, made.__module__ = self.fn.__qualname__, self.fn.__module__
        linecache.cache[filename] = (
            len(source),
            None,
            [f"{line}\n" for line in source.split("\n")],
            filename,
        )
        return made

    def _definition(self, source: str) -> Definition:
        try:
            body = parsed(source).body
        except (SyntaxError, ValueError, RecursionError) as error:
            raise self._refused(f"it does not parse: {error}", source) from error
        found = body[0] if len(body) == 1 else None
        if self.fn.__name__ == "<lambda>":
            if isinstance(found, ast.Expr) and isinstance(found.value, ast.Lambda):
                return found.value
            raise self._refused("it must be one lambda", source)
        if isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return found
        raise self._refused("it must be one function definition and nothing beside it", source)

    def _compare(self, definition: Definition, source: str) -> None:
        original = self._definition(self.original)
        if isinstance(definition, ast.Lambda) or isinstance(original, ast.Lambda):
            name, expected = "", ""
        else:
            name, expected = definition.name, original.name
            if definition.decorator_list:
                raise self._refused("it must have no decorators", source)
        if name != expected:
            raise self._refused(f"it must define {expected!r}, it defines {name!r}", source)
        was, now = _arguments(original.args), _arguments(definition.args)
        if was != now:
            raise self._refused(f"its arguments must stay ({was}), they are ({now})", source)

    def _code(self, definition: Definition, filename: str, source: str) -> types.CodeType:
        """The code object of the definition, compiled inside scopes that give it its free variables."""
        outer = parsed(f"def _outer({', '.join(n for n in self._free() if n != '__class__')}): pass")
        scope = outer.body[0]
        assert isinstance(scope, ast.FunctionDef)
        statement = ast.Expr(definition) if isinstance(definition, ast.Lambda) else definition
        owner = _owner_name(self.fn)
        if owner is None:
            scope.body = [statement]
        else:
            holder = parsed(f"class {owner}: pass").body[0]
            assert isinstance(holder, ast.ClassDef)
            holder.body = [statement]
            scope.body = [holder]
        future = self.fn.__code__.co_flags & FUTURE_ANNOTATIONS
        try:
            whole: types.CodeType = compile(
                ast.fix_missing_locations(outer), filename, "exec", flags=future, dont_inherit=True
            )
        except (SyntaxError, ValueError, RecursionError) as error:
            raise self._refused(f"it does not compile: {error}", source) from error
        for name in ("_outer", *(() if owner is None else (owner,)), self.fn.__code__.co_name):
            whole = _last_named(whole, name)
        return whole

    def __reduce__(self) -> tuple[Any, ...]:
        return _slot_of, (self.fn.__module__, self.fn.__qualname__, sorted(self._confined))

    def __deepcopy__(self, memo: dict[int, Any]) -> CodeSlot:
        return self

    def _free(self) -> tuple[str, ...]:
        return self.fn.__code__.co_freevars

    def _closure(self, code: types.CodeType) -> tuple[types.CellType, ...]:
        cells = dict(zip(self._free(), self.fn.__closure__ or (), strict=True))
        if self.owner is not None:
            cells.setdefault("__class__", types.CellType(self.owner))
        return tuple(cells.get(name) or types.CellType() for name in code.co_freevars)

    def _refused(self, reason: str, source: str) -> SignatureError:
        return SignatureError(f"the proposed code of {self.fn.__name__} is refused: {reason}", value=source)


def _slot_of(module: str, qualname: str, confined: Sequence[str] = ()) -> CodeSlot:
    """The code slot of the trainable bundle of that name; what was confined is so here too."""
    found = find(module, qualname)
    if found is None:
        raise GraphError(
            f"{module}.{qualname} cannot be unpickled: trainable code travels by the name of its function, "
            "so define the function at the top of a module that the other process can import."
        )
    slot = CodeSlot(found.fn, getattr(found, "_owner", None))
    for source in confined:
        slot.confine(source, late("confined"))
    return slot


def _last_named(code: types.CodeType, name: str) -> types.CodeType:
    """What a scope defines under a name; what default values define comes before it."""
    return [c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name][-1]


def _owner_name(fn: types.FunctionType) -> str | None:
    """The class whose body defines `fn`, which decides what `__name` means inside."""
    *_, before, _name = ("<locals>", *fn.__qualname__.split("."))
    return None if before == "<locals>" else before


def _arguments(args: ast.arguments) -> str:
    """The argument list without annotations, in one canonical form."""
    bare = copy.deepcopy(args)
    for node in ast.walk(bare):
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(bare)


def source_of(fn: Any) -> str:
    """The source of a function without its decorators, at the left margin.

    Raises GraphError for what has no source to change: builtins, and functions that were made by
    `exec` or typed at a plain prompt.
    """
    if not isinstance(fn, types.FunctionType):
        raise GraphError(
            f"trainable=True needs a Python function, got {type(fn).__name__}: call it in a def of your own."
        )
    if fn.__name__ == "<lambda>":
        return _lambda_source(fn)
    if hasattr(fn, "__wrapped__"):
        raise GraphError(
            f"trainable=True changes the code of {fn.__name__}, which is inside another decorator: put "
            "@bundle right above the def, and the other decorator above it."
        )
    block = at_margin(_source_of(fn, inspect.getsource))
    found = parsed(block).body[0]
    assert isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef)), ast.dump(found)
    return "\n".join(block.split("\n")[found.lineno - 1 : found.end_lineno])


def at_margin(block: str) -> str:
    """A block of code moved to the left margin; lines inside strings are no code and stay as they are."""
    lines = block.split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip())
    if not margin:
        return block
    inside = _inside_strings(block)
    return "\n".join(
        line if i in inside else line[len(line[:margin]) - len(line[:margin].lstrip()) :]
        for i, line in enumerate(lines, start=1)
    )


def _inside_strings(block: str) -> set[int]:
    """The numbers of the lines that start inside a string."""
    inside: set[int] = set()
    opened: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(block).readline):
            kind = tokenize.tok_name[token.type]
            if kind == "FSTRING_START":
                opened.append(token.start[0])
            first = opened.pop() if kind == "FSTRING_END" else token.start[0]
            if kind in ("STRING", "FSTRING_END"):
                inside.update(range(first + 1, token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError):  # what is no Python is refused when it is parsed
        return inside
    return inside


def _source_of(fn: types.FunctionType, read: Callable[[Any], Any]) -> Any:
    try:
        return read(fn.__code__)
    except (OSError, TypeError) as error:
        raise GraphError(
            f"trainable=True needs the source of {fn.__name__}, and there is none: define it in a file "
            "or a notebook cell, not by exec or at a plain prompt."
        ) from error


def _lambda_source(fn: types.FunctionType) -> str:
    """The text of one lambda, told from its neighbours by the positions in its code."""
    text = "".join(_source_of(fn, inspect.findsource)[0])
    positions = (p for p in fn.__code__.co_positions() if None not in p[::2] and p[2] != p[3])
    where = next(positions, None)
    for found in ast.walk(parsed(text)):
        if where is not None and isinstance(found, ast.Lambda) and _covers(found.body, where):
            return ast.get_source_segment(text, found) or ""
    raise GraphError(
        f"the source of the lambda at line {fn.__code__.co_firstlineno} was not found: use a def"
    )


def _covers(body: ast.expr, where: tuple[int | None, int | None, int | None, int | None]) -> bool:
    last = (body.end_lineno, body.end_col_offset)
    return (body.lineno, body.col_offset) <= (where[0], where[2]) and (where[1], where[3]) <= last
