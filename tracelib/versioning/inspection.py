"""Looking at objects without running any of their code: no getattr, no isinstance, no repr, no ==."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

from tracelib.versioning.places import is_module, loaded, namespace_of, plain_string

WRAPPERS = 64
"""Decorators around one function that are followed."""

_type_dict = type.__dict__["__dict__"].__get__
_qualname = type.__dict__["__qualname__"].__get__
_mro: Any = type.__dict__["__mro__"].__get__


def is_function(value: Any) -> bool:
    return type(value) is types.FunctionType


def is_class(value: Any) -> bool:
    return issubclass(type(value), type)


def class_names(value: type) -> tuple[str, str]:
    """Module and qualified name of a class."""
    module = plain_string(_type_dict(value).get("__module__")) or ""
    return module, str(_qualname(value))


def class_dict(value: type) -> dict[str, Any]:
    return dict(_type_dict(value))


def attributes(value: Any) -> dict[str, Any]:
    """The instance dict as Python keeps it, past a property of that name; empty where there is none."""
    kind = type(value)
    if kind is types.FunctionType:
        return value.__dict__  # type: ignore[no-any-return]
    for owner in _mro(kind):
        descriptor = _type_dict(owner).get("__dict__")
        if descriptor is not None:
            found = descriptor.__get__(value) if type(descriptor) is types.GetSetDescriptorType else None
            return found if type(found) is dict else {}
    return {}


def function_under(value: Any) -> Any:
    """What a bound method, classmethod, staticmethod or property is made of; the value itself otherwise."""
    if type(value) is types.FunctionType:  # as nearly always, and asked at each call
        return value
    for _ in range(WRAPPERS):
        kind = type(value)
        if kind is types.MethodType or kind in (classmethod, staticmethod):
            value = value.__func__
        elif kind is property:
            value = value.fget
        elif kind is functools.partialmethod:
            value = value.func
        elif is_recorder(value) and "__func__" in attributes(value):
            value = attributes(value)["__func__"]
        else:
            return value
    return value


def wrapped(value: Any) -> Any:
    """What a decorated callable says it wraps; None where it says nothing."""
    if type(value) is functools.partial:
        return value.func
    return None if is_module(value) else attributes(value).get("__wrapped__")


def is_recorder(value: Any) -> bool:
    """Whether an object is one of tracelib's own, such as a bundle or a program."""
    if type(value) is types.FunctionType:
        return False
    return class_names(type(value))[0].startswith("tracelib.")


def is_recorded_function(value: Any) -> bool:
    return is_recorder(value) and "__wrapped__" in attributes(value)


def innermost(value: Any) -> types.FunctionType | None:
    """The Python function at the bottom of a chain of decorators."""
    if type(value) is types.FunctionType and "__wrapped__" not in value.__dict__:
        return value
    found = None
    for _ in range(WRAPPERS):
        if is_function(value):
            found = value
        value = function_under(wrapped(value))
        if value is None:
            break
    return found


def cells_of(fn: types.FunctionType) -> dict[str, types.CellType]:
    return dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=False))


def cell_value(cell: types.CellType) -> tuple[bool, Any]:
    """Whether the cell is filled, and with what."""
    try:
        return True, cell.cell_contents
    except ValueError:
        return False, None


def namespaces_around(value: Any) -> Iterator[dict[str, Any]]:
    """Namespaces in which a callable may have a name: those of the functions it is made of."""
    waiting, seen = [value], set[int]()
    while waiting and len(seen) < WRAPPERS:
        item = function_under(waiting.pop(0))
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        if is_function(item):
            yield item.__globals__
        for name in (_module_name(item), class_names(type(item))[0]):
            found = loaded(name) if name else None
            if found is not None:
                yield namespace_of(found)
        waiting.extend(filter(is_function, _held(item)))
        waiting.append(wrapped(item))


def _module_name(item: Any) -> str | None:
    if is_function(item):
        return plain_string(item.__module__)
    return None if is_class(item) else plain_string(attributes(item).get("__module__"))


def _held(item: Any) -> list[Any]:
    """What a function has in its cells, and any other object in its attributes, as a command its callback."""
    if is_function(item):
        return [value for filled, value in map(cell_value, item.__closure__ or ()) if filled]
    return [] if is_class(item) or is_module(item) else list(attributes(item).values())


def name_in(namespace: dict[str, Any], value: Any, preferred: str | None = None) -> str | None:
    """The name under which a namespace holds exactly this object."""
    if preferred is not None and namespace.get(preferred) is value:
        return preferred
    for name, held in list(namespace.items()):
        if held is value and type(name) is str and name.isidentifier() and not name.startswith("_" * 2):
            return name
    return None
