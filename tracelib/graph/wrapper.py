"""The recording function around a bundle's body, specialised to its signature as namedtuple does it.

Written out per signature because this is the hot path: no star call, no list of arguments, no
lookup that decoration could have done. The text of a shape of signature is compiled once.
"""

from __future__ import annotations

import functools
import inspect
import os
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tracelib.graph import streams
from tracelib.graph.arguments import plain_many, take, take_args, take_keywords, take_nodes
from tracelib.graph.containers import plain
from tracelib.graph.node import ATOMS, Leaf, Result, TextResult, Value, new
from tracelib.graph.recording import failed, finished
from tracelib.graph.room import less_room, more_room
from tracelib.graph.signature import shown_signature, signature_of
from tracelib.graph.tracing import CLOSED, OFF, Frame, clock, ears, here, loose, next_place, tell

if TYPE_CHECKING:
    from tracelib.graph.operator import Operator
    from tracelib.graph.parameter import Parameter

FILENAME = os.path.join(os.path.dirname(__file__), "<recorded, as importlib._bootstrap>")
"""Python leaves frames of files so named out when it counts `warnings.warn(stacklevel=2)`: a warning
in a recorded function names its caller's line, as it does without us."""

Kind = inspect._ParameterKind
POSITIONAL_ONLY, KEYWORD_ONLY = Kind.POSITIONAL_ONLY, Kind.KEYWORD_ONLY
VAR_POSITIONAL, VAR_KEYWORD = Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD
Shape = tuple[tuple[str, Any, bool], ...]
Around = Callable[[Any], Any]

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
"""

SYNC_TAIL = """\
    if not _t_depth & 31:
        _t_more_room(_t_depth)
    _t_start = _t_frame.start = _t_clock()
    if _t_ears:
        _t_frame.given = _t_watch
        _t_tell("call_started", _t_frame)
        _t_start = _t_clock()
    try:
        _t_put(_t_frame)
        _t_value = _t_fn({call})
        _t_duration = _t_clock() - _t_start
        _t_put(_t_caller)
    except _t_BaseException as _t_error:
        _t_put(_t_caller)
        if not _t_depth & 31:
            _t_less_room(_t_depth)
        _t_failed(({kept}), {keywords}, _t_error, _t_frame, _t_start)
        raise
    if not _t_depth & 31:
        _t_less_room(_t_depth)
    if (
        _t_type(_t_value) not in _t_RESULTS
        or _t_frame.inner
        or _t_frame.reads is not None
        or _t_watch is not None
        or {has_keywords}
        or _t_ears
        or (_t_caller is None and _t_loose())
    ):
        return _t_finished(({kept}), {keywords}, _t_value, _t_frame, _t_start, _t_duration, _t_watch)
    _t_node = _t_text(_t_TextResult, _t_value) if _t_type(_t_value) is _t_str else _t_new(_t_Result)
    _t_node._data = _t_value
    _t_node._args = ({kept})
    _t_node._op = _t_op
    _t_node._seq = _t_next()
    _t_node._caller = _t_caller
    _t_node._start = _t_start
    _t_node._duration = _t_duration
    _t_node._extra = None
    _t_node._frame = None
    _t_frame.inner = _t_CLOSED
    if _t_caller is not None:
        _t_caller.inner.append(_t_node)
    return _t_node
"""

OTHER_TAIL = """\
    _t_frame.place = _t_next()
    if _t_ears:
        _t_frame.given = _t_watch
    return _t_run(({kept}), {keywords}, lambda: _t_fn({call}), _t_frame, _t_watch)
"""

TAKE = """\
    if _t_type({name}) in _t_ATOMS:
        _v_{name} = {name}
    elif _t_type({name}) in _t_VALUES and _t_type({name}._data) in _t_ATOMS:
        _v_{name} = {name}._data
    else:
        {name}, _v_{name}, _t_watch = _t_take({name}, {name!r}, _t_watch)
"""
TAKE_RECEIVER = "    _v_{name} = {name}\n"
TAKE_ARGS = "    {name}, _v_{name}, _t_watch = _t_take_args({name}, {name!r}, _t_watch, {receiver})\n"
TAKE_KEYWORDS = "    {name}, _v_{name}, _t_watch = _t_take_keywords({name}, {name!r}, _t_watch)\n"
TAKE_CODE = "    _t_code = _t_code_now()\n    _t_fn = _t_function(_t_code._data)\n"

PLAIN = (
    "{name} if _t_type({name}) in _t_ATOMS else "
    "{name}._data if _t_type({name}) in _t_VALUES else _t_plain({name})"
)

FIRST = """\
def first(*args, **kwargs):
    return _t_write()(*args, **kwargs)
"""


def recording(
    op: Operator,
    fn: Any,
    catch: bool,
    traceable: bool,
    code: Parameter[Any] | None,
    around: Around | None = None,
    run: Any = None,
) -> Callable[..., Any]:
    """The function that runs `fn` as a recorded call; with `code` it runs what that Parameter says.

    `around` is given the function and gives what is run in its place. `run` is who runs it, where that
    is not told by the kind of function (see streams.py).
    """
    signature = signature_of(fn)
    op.take_names(signature, shown_signature(fn), code is not None)
    run = run or streams.runner_of(fn)
    scope = _namespace(op, fn if around is None else around(fn), catch, traceable, run)
    if code is not None:
        _with_code(scope, code, around)
    parameters = tuple(signature.parameters.values())
    shape = tuple((p.name, p.kind, p.default is not p.empty) for p in parameters)
    scope.update({f"_t_default_{p.name}": p.default for p in parameters if p.default is not p.empty})
    exec(_compiled(shape, op.receiver, run is None, code is not None), scope)
    made: Callable[..., Any] = scope["recorded"]
    made.__name__ = op.name
    made.__qualname__ = getattr(fn, "__qualname__", op.name)
    return made


def first_call(write: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """Stands in until a bundle is first called; in the file of recording functions, for warnings' sake."""
    scope: dict[str, Any] = {"_t_write": write}
    exec(_first, scope)
    made: Callable[..., Any] = scope["first"]
    return made


_first = compile(FIRST, FILENAME, "exec")


def _namespace(op: Operator, fn: Any, catch: bool, traceable: bool, run: Any) -> dict[str, Any]:
    """The names that the written recording function uses."""
    taking = take_nodes if traceable else take
    names: dict[str, Any] = {**_COMMON, "_t_fn": fn, "_t_plain_call": fn, "_t_op": op}
    names["_t_take"] = taking
    names["_t_take_args"] = functools.partial(take_args, taking)
    names["_t_take_keywords"] = functools.partial(take_keywords, taking)
    names["_t_failed"] = functools.partial(failed, op, catch)
    names["_t_finished"] = functools.partial(finished, op, catch)
    names["_t_plain_many"] = functools.partial(plain_many, op.receiver)
    if traceable:
        names["_t_ATOMS"] = frozenset()
    if run is not None:
        names["_t_run"] = functools.partial(run, op, catch)
    return names


def _with_code(scope: dict[str, Any], code: Parameter[Any], around: Around | None) -> None:
    """Let the recording function run the code that the Parameter holds here and now."""
    assert code._code is not None
    function: Callable[[str], Any] = code._code.function
    if around is not None:
        function = functools.partial(_inside, around, function)
    scope["_t_code_now"] = code._reading_now
    scope["_t_function"] = function
    scope["_t_plain_call"] = lambda *args, **kwargs: function(code._data)(*args, **kwargs)


def _inside(around: Around, function: Callable[[str], Any], source: str) -> Any:
    return around(function(source))


_COMMON: dict[str, Any] = {
    "_t_ATOMS": ATOMS,
    "_t_VALUES": frozenset((Value, Leaf, Result)),
    "_t_BaseException": BaseException,
    "_t_type": type,
    "_t_tuple": tuple,
    "_t_get": here.get,
    "_t_put": here.set,
    "_t_OFF": OFF,
    "_t_CLOSED": CLOSED,
    "_t_Frame": Frame,
    "_t_RESULTS": ATOMS,
    "_t_Result": Result,
    "_t_TextResult": TextResult,
    "_t_text": str.__new__,
    "_t_str": str,
    "_t_new": new,
    "_t_next": next_place,
    "_t_clock": clock,
    "_t_ears": ears,
    "_t_tell": tell,
    "_t_plain": plain,
    "_t_loose": loose.get,
    "_t_more_room": more_room,
    "_t_less_room": less_room,
}


@functools.lru_cache(maxsize=1024)
def _compiled(shape: Shape, receiver: bool, sync: bool, code: bool) -> types.CodeType:
    return compile(_text(shape, receiver, sync, code), FILENAME, "exec")


def _text(shape: Shape, receiver: bool, sync: bool, code: bool) -> str:
    named = [name for name, kind, _ in shape if kind is not VAR_KEYWORD]
    spread = next((name for name, kind, _ in shape if kind is VAR_KEYWORD), None)
    starred = {name for name, kind, _ in shape if kind is VAR_POSITIONAL}
    kept = [f"*{n}" if n in starred else n for n in named]
    kept += ["_t_code"] if code else []
    kept += [f"*{spread}.values()"] if spread else []
    takes = "".join(_take(i, part, receiver) for i, part in enumerate(shape))
    return (HEAD + (SYNC_TAIL if sync else OTHER_TAIL)).format(
        signature=_signature(shape),
        plain_call=_call(shape, PLAIN, "_t_plain_many({name})", receiver),
        takes=takes + (TAKE_CODE if code else ""),
        call=_call(shape, "_v_{name}", "_v_{name}", receiver),
        kept="".join(f"{n}, " for n in kept),
        keywords=f"_t_tuple({spread})" if spread else "()",
        has_keywords=spread or "False",
    )


def _signature(shape: Shape) -> str:
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


def _call(shape: Shape, one: str, many: str, receiver: bool) -> str:
    parts = []
    for i, (name, kind, _) in enumerate(shape):
        if receiver and i == 0 and kind is not VAR_POSITIONAL:
            parts.append(name)
            continue
        prefix = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**", KEYWORD_ONLY: f"{name}="}.get(kind, "")
        template = many if kind in (VAR_POSITIONAL, VAR_KEYWORD) else one
        parts.append(prefix + template.format(name=name))
    return ", ".join(parts)


def _take(i: int, part: tuple[str, Any, bool], receiver: bool) -> str:
    name, kind, _ = part
    if receiver and i == 0 and kind is not VAR_POSITIONAL:
        return TAKE_RECEIVER.format(name=name)
    template = {VAR_POSITIONAL: TAKE_ARGS, VAR_KEYWORD: TAKE_KEYWORDS}.get(kind, TAKE)
    return template.format(name=name, receiver=receiver and i == 0)
