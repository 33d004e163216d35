"""What can be learned of any object without running its code: its type's name, its fields, a few words.

Types are asked through `type`'s own descriptors, since a metaclass may answer in any way. Only an
object's `__repr__` is run, and not that of a proxy, which may load what it stands for.
"""

from __future__ import annotations

import hashlib
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

from tracelib.graph.containers import written_in_python
from tracelib.graph.tracing import stop_tracing
from tracelib.redaction import Redactor

MRO: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
VARS: Callable[[type], Any] = type.__dict__["__dict__"].__get__
MODULE: Callable[[type], object] = type.__dict__["__module__"].__get__
QUALNAME: Callable[[type], str] = type.__dict__["__qualname__"].__get__

REPR_LIMIT = 1_000
"""Characters of a repr that are kept."""
READ = 20 * REPR_LIMIT
"""Characters of a repr that are searched for secrets."""

FIELD_NAMES = {
    "__dataclass_fields__": "dataclass",
    "__attrs_attrs__": "attrs",
    "__pydantic_fields__": "pydantic",
}
"""The mark that a kind of class leaves, and its name; a pydantic dataclass has two and is a dataclass."""

SHAPED = frozenset(("numpy", "pandas", "polars", "torch", "jax", "jaxlib", "tensorflow", "scipy", "xarray"))
"""Packages whose values are told by their shape: their reprs are slow, and fetch data from devices."""

ADDRESS = re.compile(r"(?: at)? 0x[0-9a-fA-F]{6,}|(?<==)0x[0-9a-fA-F]{6,}")


def name_of(kind: type) -> str:
    """`module:Qualified.Name` of a type."""
    try:
        module: object = MODULE(kind)
    except AttributeError:
        module = None
    return f"{module if type(module) is str else '?'}:{QUALNAME(kind)}"


def name_of_function(fn: Any) -> str:
    """`module:qualified.name` of a function of Python or C, or of a method."""
    while type(fn) is types.MethodType:
        fn = fn.__func__
    if type(fn) not in (types.FunctionType, types.BuiltinFunctionType):
        return name_of(type(fn))
    module, name = fn.__module__, fn.__qualname__
    return f"{module if type(module) is str else 'builtins'}:{name}"


def has_base(kind: type, base: type) -> bool:
    """`issubclass` by identity."""
    return any(each is base for each in MRO(kind))


def fields_kind(kind: type) -> str | None:
    """Whether a class is a dataclass, an attrs class or a pydantic model."""
    for mark, name in FIELD_NAMES.items():
        if any(mark in VARS(base) for base in MRO(kind)):
            return name
    return None


def fields_of(value: Any, sort: str) -> dict[str, Any]:
    """The fields of an instance of such a class, as they are: no property, default or validator is run."""
    state = state_of(value)
    if sort == "pydantic":
        extra = state.pop("__pydantic_extra__", None)
        inner = {name: item for name, item in state.items() if not name.startswith("__pydantic_")}
        return inner | extra if type(extra) is dict else inner
    return {name: state[name] for name in _declared(type(value), sort) if name in state}


def _declared(kind: type, sort: str) -> list[str]:
    mark = "__dataclass_fields__" if sort == "dataclass" else "__attrs_attrs__"
    found = next(VARS(base)[mark] for base in MRO(kind) if mark in VARS(base))
    names = list(found) if sort == "dataclass" else [field.name for field in tuple.__iter__(found)]
    return [name for name in names if type(name) is str]


def state_of(value: Any) -> dict[str, Any]:
    """The attributes that an instance itself has, in its dict and in slots."""
    found: dict[str, Any] = {}
    for base in MRO(type(value)):
        for name, item in list(VARS(base).items()):
            if type(item) is types.GetSetDescriptorType and name == "__dict__":
                inside = item.__get__(value)
                found = {**found, **{k: v for k, v in list(dict.items(inside)) if type(k) is str}}
            elif type(item) is types.MemberDescriptorType and written_in_python(base):
                found.update(_slot(item, value))
    return found


def _slot(slot: types.MemberDescriptorType, value: Any) -> Iterator[tuple[str, Any]]:
    try:
        yield slot.__name__, slot.__get__(value)
    except AttributeError:
        return


def opaque(value: Any, redactor: Redactor) -> dict[str, Any]:
    """What is kept of a value that cannot be: type, a few words without secrets, digest of all words."""
    words = ADDRESS.sub("", _words_of(value))
    text = redactor.shown(words[:READ])
    made = {"$": "opaque", "type": name_of(type(value)), "text": text[:REPR_LIMIT]}
    if text:
        # A longer text hides a secret by its length.
        told = text if len(words) <= READ else words
        made["digest"] = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
    return made


def _words_of(value: Any) -> str:
    kind = type(value)
    if any(name_of(base).partition(":")[0].split(".")[0] in SHAPED for base in MRO(kind)):
        shape = _shape(value)
        if shape:
            return shape
    return _repr(value) if _may_speak(kind) else ""


def _may_speak(kind: type) -> bool:
    """Whether the type has a repr of its own and does not pass on attributes as a proxy does."""
    for base in MRO(kind):
        for hook in ("__getattr__", "__getattribute__"):
            if type(VARS(base).get(hook, types.WrapperDescriptorType)) not in PLAIN_LOOKUP:
                return False
    owner = next(base for base in MRO(kind) if "__repr__" in VARS(base))
    return owner is not object


PLAIN_LOOKUP = (types.WrapperDescriptorType, type)
"""What stands for attribute access in classes that define none: C's own, or nothing."""


def _shape(value: Any) -> str:
    try:
        return f"shape ({', '.join(str(int(n)) for n in value.shape)})"
    except Exception:  # a value of another's library without a plain shape: it is described by its repr
        return ""


def _repr(value: Any) -> str:
    with stop_tracing():
        try:
            said = repr(value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a user's __repr__ may raise anything; the record tells it
            return f"<repr raised {QUALNAME(type(error))}>"
    return said if type(said) is str else str.__str__(said)
