"""Runs one candidate's code inside its confined process, as a socket asks; the standard library only."""

from __future__ import annotations

import ast
import dataclasses
import io
import sys
import types
from typing import Any

import crossing  # type: ignore[import-not-found]  # loaded by worker.py, which has put it there

PRINTED = 10_000
"""Characters kept of what a call prints."""


class Closed(Exception):  # noqa: N818 - the other side is gone
    """The socket ended."""


class Servant:
    """Runs what one candidate's socket asks for."""

    def __init__(self, line: Any) -> None:
        self.line = line
        self.module = types.ModuleType("sandboxed")
        self.known = crossing.Known({}, self.stand_in, self.imagined)
        self.function: Any = None
        self.fetched: dict[tuple[int, str], Any] = {}
        self.kinds: dict[str, type] = {}
        self.given: Any = None

    def serve(self) -> None:
        while True:
            request = self.line.receive()
            if "load" in request:
                self.line.send(answered(self.load, request["load"]))
            else:
                self.given = None
                told = answered(self.call, request["call"])
                self.line.send({**told, "changed": self.changed(), "to": request["number"]})

    def load(self, given: dict[str, Any]) -> None:
        """Define what the function reaches, then the function."""
        sys.modules["sandboxed"] = self.module
        names = self.module.__dict__
        for closure in given["closures"]:
            run_each(closure, names)
        for value in list(names.values()):
            if isinstance(value, type) and value.__module__ == "sandboxed":
                self.known.classes[value.__qualname__] = value
        names.update({name: Tool(self, None, name) for name in given["tools"]})
        self.function = defined(given, names)

    def call(self, given: dict[str, Any]) -> Any:
        self.fetched.clear()
        for name, value in given["values"].items():
            self.module.__dict__[name] = crossing.read(value, self.known, name)
        args = crossing.read(given["args"], self.known, "args")
        keywords = crossing.read(given["kwargs"], self.known, "kwargs")
        self.given = self.told_of(args, keywords), args, keywords
        value = self.function(*args, **keywords)
        if isinstance(value, types.CoroutineType):
            value = run_coroutine(value)
        elif isinstance(value, types.GeneratorType):
            value = list(value)
        return crossing.written(value, "the result", handle_of)

    def told_of(self, args: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
        """Each argument of the call as it is written now, by what it is called."""
        named = {f"argument {place}": one for place, one in enumerate(args)}
        return {name: told_or_nothing(one) for name, one in (named | keywords).items()}

    def changed(self) -> list[str]:
        """Which arguments of the call are no longer what was given."""
        if self.given is None:
            return []
        before, args, keywords = self.given
        now = self.told_of(args, keywords)
        return [name for name in before if before[name] != now[name]]

    def ask(self, question: dict[str, Any]) -> Any:
        """The answer of the program outside; raises RuntimeError with its words when it has none."""
        self.line.send({"ask": question})
        answer = self.line.receive()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return crossing.read(answer["value"], self.known, "an answer")

    def imagined(self, name: str, fields: list[str]) -> type:
        """A class with the fields of one that is not there, as of an installed package; it keeps its name."""
        module, _, qualname = name.partition(":")
        made = dataclasses.make_dataclass(qualname.rpartition(".")[2], fields)
        made.__module__, made.__qualname__ = module, qualname
        self.known.classes[name] = made
        return made

    def stand_in(self, told: Any) -> Any:
        """What stands for a value that stayed outside: a function to call, or an object to read."""
        handle, kind, names = told
        if names is None:
            return Tool(self, handle, kind)
        found = self.kinds.get(kind)
        if found is None:
            base = self.known.classes.get(kind.partition(":")[2], object)
            name = kind.rpartition(".")[2].rpartition(":")[2]
            found = self.kinds[kind] = type(name, (Stayed, base), {"__module__": base.__module__})
        made: Any = object.__new__(found)
        object.__setattr__(made, "_t_stayed", (self, told, frozenset(names)))
        return made


def run_each(program: str, names: dict[str, Any]) -> None:
    """Run the statements of a program one by one; what cannot be made here says so when it is used."""
    for statement in ast.parse(program).body:
        code = compile(ast.Module([statement], []), "<closure>", "exec")
        try:
            exec(code, names)
        except NotHere as error:
            names.update(dict.fromkeys(bound_by(statement), Unmade(str(error))))
        except Exception as error:
            unmade = Unmade(f"{type(error).__name__}: {error}")
            names.update(dict.fromkeys(bound_by(statement), unmade))


def bound_by(statement: ast.stmt) -> list[str]:
    """The names that a statement would have defined."""
    named = [
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        named = [(one.asname or one.name).partition(".")[0] for one in statement.names]
    elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        named = [statement.name]
    return named


class NotHere(RuntimeError):  # noqa: N818 - what it says
    """Something that could not be made in the sandbox was used."""


class Unmade:
    """Stands for what could not be made in the sandbox: a module that is not there, a client, a file."""

    def __init__(self, reason: str) -> None:
        self.__dict__["_t_reason"] = reason

    def _refuse(self, *args: Any, **keywords: Any) -> Any:
        raise NotHere(self.__dict__["_t_reason"])

    __call__ = __getattr__ = __getitem__ = __iter__ = __len__ = __bool__ = __enter__ = _refuse
    __add__ = __radd__ = __mul__ = __contains__ = __str__ = __eq__ = __lt__ = _refuse
    __hash__ = _refuse


def defined(given: dict[str, Any], names: dict[str, Any]) -> Any:
    """The function that the source defines; a method inside its class, for `super()` and `__x`."""
    tree: Any = ast.parse(given["source"])
    name, owner = given["name"], given["owner"]
    if name == "<lambda>":
        return eval(compile(ast.Expression(tree.body[0].value), given["file"], "eval"), names)
    if owner is None:
        exec(compile(tree, given["file"], "exec"), names)
        return names[name]
    holder: Any = ast.parse(f"class {owner}: pass")
    holder.body[0].body = tree.body
    inside = dict(names)
    exec(compile(holder, given["file"], "exec"), inside)
    mangled = f"_{owner.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
    made = vars(inside[owner])[mangled]
    function = types.FunctionType(made.__code__, names, name, made.__defaults__, made.__closure__)
    function.__kwdefaults__ = made.__kwdefaults__
    if "__class__" in made.__code__.co_freevars and isinstance(names.get(owner), type):
        made.__closure__[made.__code__.co_freevars.index("__class__")].cell_contents = names[owner]
    return function


def run_coroutine(value: Any) -> Any:
    return __import__("asyncio").run(value)


class Stayed:
    """Stands for an object outside: its attributes are fetched when they are read, none can be set."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{type(self).__name__} has no {name!r} in the sandbox: of an object outside there are its own "
            "attributes and what the source of its class says. Name the method, or a function that uses "
            "the object, in tools=[...]; pass what is needed of it as an argument; or allow in_process"
        )

    def __getattribute__(self, name: str) -> Any:
        servant, (handle, *_), names = object.__getattribute__(self, "_t_stayed")
        if name not in names:
            return object.__getattribute__(self, name)
        if (handle, name) not in servant.fetched:
            servant.fetched[handle, name] = servant.ask({"attribute": [handle, name]})
        return servant.fetched[handle, name]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} cannot be set: a sandbox changes no object outside")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(
            f"{name} cannot be deleted: objects outside do not change from within the sandbox"
        )


class Tool:
    """A function of the program outside, called over the socket."""

    def __init__(self, servant: Servant, handle: int | None, name: str) -> None:
        self._t_tool = (servant, handle)
        self.__name__ = name

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        servant, handle = self._t_tool
        given = [crossing.written(args, "args", handle_of), crossing.written(keywords, "kwargs", handle_of)]
        return servant.ask({"tool": [handle, self.__name__, *given]})


def told_or_nothing(value: Any) -> Any:
    """How a value is written; None for one that cannot be, as after code has put a function into it."""
    try:
        return crossing.written(value, hand=handle_of)
    except crossing.NotCrossing:
        return None


def handle_of(value: Any) -> Any:
    """What tells the other side which of its values this stands for; None for a value of this side."""
    if isinstance(value, Stayed):
        return object.__getattribute__(value, "_t_stayed")[1]
    return value._t_tool[1] if isinstance(value, Tool) else None


def answered(run: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What running it came to: its value, or its error with the lines it went through."""
    printed = Printed()
    sys.stdout = sys.stderr = printed
    try:
        return {"done": run(given), "printed": printed.text}
    except Closed:
        raise
    except BaseException as error:
        return {"error": told(error), "printed": printed.text}


class Printed(io.TextIOBase):
    """Keeps the beginning of what is printed."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text[: PRINTED - len(self.text)]
        return len(text)


def told(error: BaseException) -> dict[str, Any]:
    """An error as its class, its words and the lines of the traceback, innermost last."""
    lines: list[list[Any]] = []
    trace = error.__traceback__
    while trace is not None and len(lines) < 100:
        code = trace.tb_frame.f_code
        lines.append([code.co_filename, trace.tb_lineno, code.co_name])
        trace = trace.tb_next
    told = {"kind": type(error).__name__, "said": words(error), "lines": lines}
    try:
        return {**told, "args": crossing.written(error.args)}
    except (crossing.NotCrossing, RecursionError):
        return told


def words(error: BaseException) -> str:
    try:
        return str(error)[:10_000]
    except Exception:
        return ""
