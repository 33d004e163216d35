"""How a callable is called: the signature that Python itself will bind, and the names of its arguments."""

from __future__ import annotations

import inspect
import keyword
import types
from typing import Any

ANYTHING = inspect.signature(lambda *args, **kwargs: None)
"""Takes any arguments and leaves it to the callable to refuse them."""


def signature_of(fn: Any) -> inspect.Signature:
    """The signature by which arguments are bound, without what decorators and attributes claim.

    A wrapper that hands its function one argument more still shows the function's signature
    (`__wrapped__`), and the text signature of a builtin may have defaults that it does not take: only
    the code of a Python function is believed, all else is `(*args, **kwargs)`.
    """
    if isinstance(fn, types.MethodType) and isinstance(fn.__func__, types.FunctionType):
        whole = _of_code(fn.__func__)
        parts = list(whole.parameters.values())
        if not parts or parts[0].kind not in (parts[0].POSITIONAL_ONLY, parts[0].POSITIONAL_OR_KEYWORD):
            return ANYTHING
        return whole.replace(parameters=parts[1:])
    return _of_code(fn) if isinstance(fn, types.FunctionType) else ANYTHING


def _of_code(fn: types.FunctionType) -> inspect.Signature:
    bare = types.FunctionType(fn.__code__, {}, fn.__name__, fn.__defaults__, fn.__closure__)
    bare.__kwdefaults__ = fn.__kwdefaults__
    found = inspect.signature(bare)
    return found if all(map(_usable, found.parameters)) else ANYTHING


def _usable(name: str) -> bool:
    """Whether the recording function can have a parameter of this name; the generator of `.0` cannot."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith(("_t_", "_v_"))


def shown_signature(fn: Any) -> inspect.Signature | None:
    """The signature that people are shown, from which arguments get their names; None where there is none."""
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError):
        return None
