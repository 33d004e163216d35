"""The recording function around a bundle's body, specialised to its signature as namedtuple does it.

Written out per signature because this is the hot path: no star call, no list of arguments, no
lookup that decoration could have done. The text of a shape of signature is compiled once.
"""

from __future__ import annotations

import functools
import inspect
import keyword
import os
import types
from collections.abc import Callable
from typing import Any

FILENAME = os.path.join(os.path.dirname(__file__), "<wrapper>")

Kind = inspect._ParameterKind
POSITIONAL_ONLY, KEYWORD_ONLY = Kind.POSITIONAL_ONLY, Kind.KEYWORD_ONLY
VAR_POSITIONAL, VAR_KEYWORD = Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD

HEAD = """\
def recorded({signature}):
    _t_caller = _t_get()
    if _t_caller is _t_OFF:
        return _t_plain_call({plain_call})
    _t_watch = None
{takes}
    _t_frame = _t_new(_t_Frame)
    _t_frame.op = _t_op
    _t_frame.caller = _t_caller
    _t_frame.inner = []
    _t_frame.reads = None
    _t_frame._id = None
    _t_frame.place = 0
    _t_frame.depth = _t_depth = 1 if _t_caller is None else _t_caller.depth + 1
    if _t_ears:
        _t_tell("call_started", _t_frame)
"""

SYNC_TAIL = """\
    if not _t_depth & 31:
        _t_more_room()
    _t_token = _t_put(_t_frame)
    _t_start = _t_frame.start = _t_clock()
    try:
        _t_value = _t_fn({call})
    except BaseException as _t_error:
        _t_reset(_t_token)
        if not _t_depth & 31:
            _t_less_room()
        _t_failed(({kept}), {keywords}, _t_error, _t_frame, _t_start)
        raise
    _t_duration = _t_clock() - _t_start
    _t_reset(_t_token)
    if not _t_depth & 31:
        _t_less_room()
    if (
        type(_t_value) not in _t_FAST
        or _t_frame.inner
        or _t_frame.reads is not None
        or _t_watch is not None
        or {has_keywords}
        or _t_ears
        or (_t_caller is None and _t_loose())
    ):
        return _t_finished(({kept}), {keywords}, _t_value, _t_frame, _t_start, _t_duration, _t_watch)
    _t_node = _t_new(_t_Result)
    _t_node._data = _t_value
    _t_node._args = ({kept})
    _t_node._op = _t_op
    _t_node._seq = _t_next()
    _t_node._caller = _t_caller
    _t_node._start = _t_start
    _t_node._duration = _t_duration
    _t_node._extra = None
    _t_node._frame = None
    if _t_caller is not None:
        _t_caller.inner.append(_t_node)
    return _t_node
"""

OTHER_TAIL = """\
    _t_frame.place = _t_next()
    return _t_run(({kept}), {keywords}, _t_fn({call}), _t_frame, _t_watch)
"""

TAKE = """\
    if type({name}) in _t_ATOMS:
        _v_{name} = {name}
    elif isinstance({name}, _t_Value) and type({name}._data) in _t_ATOMS:
        _v_{name} = {name}._data
    else:
        {name}, _v_{name}, _t_watch = _t_take({name}, {name!r}, _t_watch)
"""
TAKE_RECEIVER = "    _v_{name} = {name}\n"
TAKE_ARGS = "    {name}, _v_{name}, _t_watch = _t_take_args({name}, {name!r}, _t_watch)\n"
TAKE_KEYWORDS = "    {name}, _v_{name}, _t_watch = _t_take_keywords({name}, {name!r}, _t_watch)\n"


def signature_of(fn: Any) -> inspect.Signature:
    """The signature, or `(*args, **kwargs)` for what does not tell (some builtins)."""
    try:
        found = inspect.signature(fn)
    except (TypeError, ValueError):
        found = ANYTHING
    names = list(found.parameters)
    if any(n.startswith(("_t_", "_v_")) or keyword.iskeyword(n) or not n.isidentifier() for n in names):
        return ANYTHING
    return found


ANYTHING = inspect.signature(lambda *args, **kwargs: None)


def write(
    signature: inspect.Signature, receiver: bool, sync: bool, namespace: dict[str, Any]
) -> Callable[..., Any]:
    """The recording function for a signature; `namespace` holds the `_t_` names it uses."""
    parameters = tuple(signature.parameters.values())
    shape = tuple((p.name, p.kind, p.default is not p.empty) for p in parameters)
    defaults = {f"_t_default_{p.name}": p.default for p in parameters if p.default is not p.empty}
    scope = {**namespace, **defaults}
    exec(_compiled(shape, receiver, sync), scope)
    made: Callable[..., Any] = scope["recorded"]
    return made


@functools.lru_cache(maxsize=1024)
def _compiled(shape: tuple[tuple[str, Any, bool], ...], receiver: bool, sync: bool) -> types.CodeType:
    return compile(_text(shape, receiver, sync), FILENAME, "exec")


def _text(shape: tuple[tuple[str, Any, bool], ...], receiver: bool, sync: bool) -> str:
    named = [name for name, kind, _ in shape if kind is not VAR_KEYWORD]
    spread = next((name for name, kind, _ in shape if kind is VAR_KEYWORD), None)
    starred = {name for name, kind, _ in shape if kind is VAR_POSITIONAL}
    kept = [f"*{n}" if n in starred else n for n in named] + ([f"*{spread}.values()"] if spread else [])
    text = HEAD + (SYNC_TAIL if sync else OTHER_TAIL)
    return text.format(
        signature=_signature(shape),
        plain_call=_call(shape, "{name} if type({name}) in _t_ATOMS else _t_plain({name})", "_t_plain({name})", receiver),
        takes="".join(_take(i, part, receiver) for i, part in enumerate(shape)),
        call=_call(shape, "_v_{name}", "_v_{name}", receiver),
        kept="".join(f"{n}, " for n in kept),
        keywords=f"tuple({spread})" if spread else "()",
        has_keywords=spread or "False",
    )


def _signature(shape: tuple[tuple[str, Any, bool], ...]) -> str:
    parts, star = [], False
    for i, (name, kind, has_default) in enumerate(shape):
        if kind is VAR_POSITIONAL:
            star = True
        if kind is KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        prefix = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**"}.get(kind, "")
        parts.append(f"{prefix}{name}" + (f"=_t_default_{name}" if has_default else ""))
        last = i + 1 == len(shape) or shape[i + 1][1] is not POSITIONAL_ONLY
        if kind is POSITIONAL_ONLY and last:
            parts.append("/")
    return ", ".join(parts)


def _call(shape: tuple[tuple[str, Any, bool], ...], one: str, many: str, receiver: bool) -> str:
    parts = []
    for i, (name, kind, _) in enumerate(shape):
        if receiver and i == 0:
            parts.append(name)
            continue
        prefix = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**", KEYWORD_ONLY: f"{name}="}.get(kind, "")
        parts.append(prefix + (many if prefix else one).format(name=name))
    return ", ".join(parts)


def _take(i: int, part: tuple[str, Any, bool], receiver: bool) -> str:
    name, kind, _ = part
    if receiver and i == 0 and kind is not VAR_POSITIONAL:
        return TAKE_RECEIVER.format(name=name)
    template = {VAR_POSITIONAL: TAKE_ARGS, VAR_KEYWORD: TAKE_KEYWORDS}.get(kind, TAKE)
    return template.format(name=name)
