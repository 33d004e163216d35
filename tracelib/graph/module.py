"""Modules: objects whose parameters are found, named by their path, saved and loaded."""

from __future__ import annotations

import dataclasses
import json
import os
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tracelib.errors import ConstraintError, GraphError, StateError
from tracelib.graph.bundle import BoundBundle, Bundle
from tracelib.graph.late import late
from tracelib.graph.parameter import Parameter
from tracelib.modules import importable

C = TypeVar("C", bound=type)

CODE = "_code_parameters"
"""Where a module keeps the code of its trainable methods, so that it is copied and pickled with it."""
FORMAT = "tracelib parameters 1"

NAMED_AT_ONCE = 1_000
"""Elements up to which a container's parameters get their names when it becomes an attribute."""


class Module:
    """Holds parameters: in attributes, lists, tuples, dicts and other modules, however deep.

    A parameter without a name is called by its path (`layers.0.prompt`); one that is tied to
    several places is listed once, by the first. Trainable methods have one code per instance.
    A subclass with a `forward` method can be called.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        forward = getattr(self, "forward", None)
        if forward is None:
            raise GraphError(
                f"{type(self).__name__} cannot be called: give it a __call__ or a forward method"
            )
        return forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        kind = type(value)
        if issubclass(kind, (Parameter, Module)) or (
            kind in (list, tuple, dict) and len(value) <= NAMED_AT_ONCE
        ):
            named_parameters(value, name, program_of(type(self)))

    def parameters(self) -> list[Parameter[Any]]:
        """Every parameter once, in the order of their paths' first appearance."""
        return list(self.named_parameters().values())

    def named_parameters(self) -> dict[str, Parameter[Any]]:
        """Every parameter by its path; tied ones once."""
        return named_parameters(self, program=program_of(type(self)))

    def state_dict(self) -> dict[str, Any]:
        """The parameters' values by path, as JSON values.

        Raises StateError for a value that JSON would not give back as it is.
        """
        return {path: late("state.encode")(p) for path, p in self.named_parameters().items()}

    def load_state_dict(
        self, state: Mapping[str, Any], sandbox: Any = "auto", because: str = "loaded"
    ) -> None:
        """Take values by path: all of them or, with a StateError that lists what does not fit, none.

        Code that is not what the user's source says runs in a sandbox: the strongest that works on this
        machine, or the one given; `sandbox="in_process"` lets it run here. Raises SandboxUnavailable where
        there is none.
        """
        own = self.named_parameters()
        fitting = _fitting(own, state, type(self).__name__)
        for path, value in fitting.items():
            if own[path].is_code and value != own[path].original:
                late("confine")(own[path], value, sandbox)
        for path, value in fitting.items():
            own[path].restore(value, because=because)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters as readable JSON, whole or not at all."""
        text = json.dumps({"format": FORMAT, "parameters": self.state_dict()}, indent=2, ensure_ascii=False)
        target = Path(path)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.write_text(text + "\n", encoding="utf-8")
        os.replace(beside, target)

    def load(self, path: str | os.PathLike[str], sandbox: Any = "auto") -> None:
        """Take the parameters from a file that `save` wrote; raises StateError when it does not fit.

        For code in it see `load_state_dict`.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise StateError(f"{path} is not JSON: {error}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise StateError(f"{path} was not written by Module.save: its format is not {FORMAT!r}")
        if not isinstance(content.get("parameters"), dict):
            raise StateError(f"{path} was not written by Module.save: it has no parameters by path")
        self.load_state_dict(content["parameters"], sandbox, because=f"loaded from {path}")


def _fitting(own: Mapping[str, Parameter[Any]], state: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The state's values as the parameters would hold them; StateError lists every misfit."""
    problems = [f"{path} is missing" for path in own if path not in state]
    problems += [f"{path} is unknown" for path in state if path not in own]
    fitting = {}
    for path in own:
        if path in state:
            try:
                fitting[path] = late("state.decode")(own[path], state[path])
            except ConstraintError as error:
                problems.append(str(error))
    if problems:
        raise StateError(f"the state does not fit {name}: " + "; ".join(problems))
    return fitting


def program_of(kind: type) -> str:
    """A class as the "module:qualname" that its parameters belong to."""
    return f"{importable(kind.__module__)}:{kind.__qualname__}"


def named_parameters(root: Any, path: str = "", program: str | None = None) -> dict[str, Parameter[Any]]:
    """The parameters in an object by path, each tied one once.

    A parameter without a name is called by its path from the outermost object that was asked, which is
    of `program`; both are noted on it.
    """
    found: dict[str, Parameter[Any]] = {}
    met: set[int] = set()
    stack: list[tuple[str, Any]] = [(path, root)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, (Bundle, BoundBundle)):
            parts = value.parts().items()
            stack.extend(reversed([(path + (part and f".{part}"), found) for part, found in parts]))
            continue
        if id(value) in met:
            continue
        met.add(id(value))
        if isinstance(value, Parameter):
            found[path] = value
            if value._path is None or path.count(".") > value._path.count("."):
                value._path, value._program = path, program
        else:
            stack.extend(reversed(list(_children(path, value))))
    return found


def _children(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What may hold parameters inside a value, with the path to each."""
    prefix = f"{path}." if path else ""
    kind = type(value)
    if issubclass(kind, dict):
        yield from ((f"{prefix}{key}", item) for key, item in dict.items(value))
    elif issubclass(kind, (list, tuple)):
        yield from ((f"{prefix}{i}", item) for i, item in enumerate(value))
    elif issubclass(kind, Module):
        yield from ((f"{prefix}{name}", item) for name, item in _attributes(value))
    elif dataclasses.is_dataclass(kind):
        yield from ((f"{prefix}{name}", item) for name, item in _own_attributes(value))


def _attributes(module: Module) -> Iterator[tuple[str, Any]]:
    """Own attributes first, then those of the class; methods as bound, properties not run."""
    own = dict(_own_attributes(module))
    yield from own.items()
    for name, value in _of_class(type(module)).items():
        if name in own or (name.startswith("__") and name != "__call__"):
            continue
        if isinstance(value, property) and isinstance(value.fget, Bundle):
            value = value.fget
        if isinstance(value, Bundle):
            yield name, value.__get__(module, type(module))
        elif isinstance(value, (Parameter, Module, list, tuple, dict)):
            yield name, value


def _of_class(kind: type) -> dict[str, Any]:
    """What attribute lookup finds in a class, as it is there, in the order of its definition."""
    return {name: value for base in reversed(kind.__mro__) for name, value in vars(base).items()}


def _own_attributes(value: Any) -> Iterator[tuple[str, Any]]:
    for name, item in getattr(value, "__dict__", {}).items():
        if name != CODE:
            yield name, item
    for kind in type(value).__mro__:
        names = vars(kind).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if not name.startswith("__") and hasattr(value, name):
                yield name, getattr(value, name)


def instance_parameters(instance: Any) -> dict[str, Any] | None:
    """Where a module keeps the code of its methods; None for an object that is no module."""
    if not isinstance(instance, Module):
        return None
    kept: dict[str, Any] = instance.__dict__.setdefault(CODE, {})
    return kept


def model(cls: C) -> C:
    """Make a class a Module: `@trace.model class Agent: ...`.

    Its instances have `parameters()`, `save` and `load`; nothing else of the class changes. It keeps
    its name and place, so instances pickle.
    """
    if not isinstance(cls, type):
        raise GraphError(f"@model decorates a class, got {type(cls).__name__}: {cls!r}")
    if issubclass(cls, Module):
        return cls
    body = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    kind: Any = type(cls)
    made: C = kind(cls.__name__, (cls, Module), {**body, **_fields(cls), **_generic(cls)})
    return made


def _generic(cls: Any) -> dict[str, Any]:
    """The type parameters of a class again, so that `Agent[int]` means what it did."""
    parameters = getattr(cls, "__parameters__", ())
    return {"__orig_bases__": (cls[parameters], Module)} if parameters else {}


def _fields(cls: type) -> dict[str, Any]:
    """Annotations and their defaults again, for a `@dataclass` above `@model`, which looks no further."""
    if dataclasses.is_dataclass(cls):
        return {}
    annotations = vars(cls).get("__annotations__", {})
    slots = types.MemberDescriptorType
    given = {n: v for n, v in vars(cls).items() if n in annotations and not isinstance(v, slots)}
    return {"__annotations__": annotations, **given} if annotations else {}
