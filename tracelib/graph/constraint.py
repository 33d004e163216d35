"""What a Parameter may become: types by pydantic, code by its signature, all else by present type.

Nothing is coerced by calling a type on a value: a proposal is JSON, and is read as JSON is.
"""

from __future__ import annotations

import functools
import json
import math
import sys
from typing import TYPE_CHECKING, Any

import pydantic
import pydantic_core

from tracelib.errors import ConstraintError, SignatureError, StateError
from tracelib.graph.containers import plain

if TYPE_CHECKING:
    from tracelib.graph.parameter import Parameter

PLAIN = (str, int, float, bool, bytes, list, dict, tuple, set, frozenset)


def check(parameter: Parameter[Any], value: Any) -> Any:
    """`value` as `parameter` would hold it; see `Parameter.check`."""
    value = plain(value)
    if parameter._code is not None:
        try:
            return parameter._code.check(value)
        except SignatureError as error:
            error.parameter = parameter
            raise
    declared = parameter._constraint
    if declared is not None and not isinstance(declared, str):
        return _by_type(parameter, value, declared)
    return _by_present(parameter, value)


def _by_type(parameter: Parameter[Any], value: Any, declared: Any) -> Any:
    try:
        adapter = _adapter(declared)
    except pydantic.PydanticSchemaGenerationError as error:
        raise ConstraintError(
            f"the constraint of {parameter.name} is neither text nor a type pydantic knows: {declared!r}",
            parameter,
            value,
        ) from error
    try:
        return _validated(adapter, value)
    except pydantic.ValidationError as error:
        raise _refused(parameter, value, _reasons(error)) from error


def _adapter(declared: Any) -> pydantic.TypeAdapter[Any]:
    try:
        return _cached_adapter(declared)
    except TypeError:  # an unhashable annotation
        return pydantic.TypeAdapter(declared)


@functools.lru_cache(maxsize=512)
def _cached_adapter(declared: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(declared)


def _validated(adapter: pydantic.TypeAdapter[Any], value: Any) -> Any:
    """Strictly as Python, or strictly as the JSON that a model or a file would write."""
    try:
        return adapter.validate_python(value, strict=True)
    except pydantic.ValidationError:
        try:
            written = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise
        return adapter.validate_json(written, strict=True)


def _by_present(parameter: Parameter[Any], value: Any) -> Any:
    """A value of the type the Parameter holds now, the only promise that an undeclared one makes."""
    present = parameter._data
    kind = type(present)
    if present is None or type(value) is kind:
        return _finite(parameter, value)
    if kind is float and type(value) is int:
        return float(value)
    if kind.__module__ == "numpy" and hasattr(present, "dtype"):
        made = _as_array(parameter, present, value)
        return made if kind.__name__ == "ndarray" else made[()]
    if kind is str and isinstance(value, str):
        return str.__str__(value)
    if kind in PLAIN and not (kind in (tuple, set, frozenset) and isinstance(value, list)):
        raise _refused(parameter, value)
    if kind in (tuple, set, frozenset):
        return _by_type(parameter, value, kind)
    if isinstance(value, kind):
        return value
    try:
        _adapter(kind)
    except pydantic.PydanticSchemaGenerationError:
        raise _refused(parameter, value) from None
    return _by_type(parameter, value, kind)


def _finite(parameter: Parameter[Any], value: Any) -> Any:
    if type(value) is float and not math.isfinite(value):
        raise _refused(parameter, value, "it is not a finite number")
    return value


def _as_array(parameter: Parameter[Any], present: Any, value: Any) -> Any:
    """A list of the same shape as an array of the same dtype; numpy is loaded, the value is an array."""
    numpy = sys.modules["numpy"]
    try:
        made = numpy.asarray(value)
    except ValueError as error:
        raise _refused(parameter, value, f"it is no array: {error}") from error
    if made.shape != present.shape:
        raise _refused(parameter, value, f"its shape is {made.shape}, it must be {present.shape}")
    whole = made.dtype.kind in "iu" and present.dtype.kind in "iu"
    if not whole and not numpy.can_cast(made.dtype, present.dtype, "same_kind"):
        raise _refused(parameter, value, f"its elements are {made.dtype}, they must be {present.dtype}")
    with numpy.errstate(over="ignore"):
        cast = made.astype(present.dtype)
    if cast.dtype.kind in "iufc" and not numpy.allclose(cast, made, rtol=1e-2, equal_nan=True):
        raise _refused(parameter, value, f"it is out of the range of {present.dtype}")
    return cast


def _reasons(error: pydantic.ValidationError) -> str:
    parts = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(step) for step in item["loc"])
        parts.append(f"{where}: {item['msg']}" if where else item["msg"])
    return "; ".join(parts)


def _refused(parameter: Parameter[Any], value: Any, reason: str = "") -> ConstraintError:
    shown = repr(value)
    shown = shown if len(shown) <= 200 else f"{shown[:200]}… ({len(shown):,} characters)"
    held, got = type(parameter._data).__name__, type(value).__name__
    if reason:
        return ConstraintError(f"{parameter.name} refuses {shown}: {reason}", parameter, value)
    reason = f"{parameter.name} holds {held}, the proposal is {got} {shown}"
    return ConstraintError(
        f"{reason}: ask for one {held}, or declare what it may become with node(..., constraint=...)",
        parameter,
        value,
        reason,
    )


def encode(value: Any) -> Any:
    """A value as readable JSON, for a state file; raises StateError for what has no JSON form."""
    if type(value).__name__ == "ndarray":
        value = value.tolist()
    try:
        return pydantic_core.to_jsonable_python(value, inf_nan_mode="constants")
    except (pydantic_core.PydanticSerializationError, UnicodeDecodeError) as error:
        raise StateError(
            f"a {type(value).__name__} has no JSON form, so it cannot be saved: {value!r:.200}. "
            "Hold it in a dataclass or pydantic model."
        ) from error


def encode_parameter(parameter: Parameter[Any]) -> Any:
    """A parameter's value as JSON that comes back as it was; raises StateError where it would not."""
    own = parameter._own
    written = encode(own)
    if type(own) in (dict, list, tuple, set, frozenset):
        read = decode(parameter, json.loads(json.dumps(written)))
        if repr(read) != repr(own) and read != own:
            raise StateError(
                f"{parameter.name} would come back from JSON as {read!r:.200}, it is {own!r:.200}. Declare "
                f"its type with node(..., constraint=dict[int, str]) or the like, or hold it in a dataclass."
            )
    return written


def decode(parameter: Parameter[Any], value: Any) -> Any:
    """What `encode` wrote, as `parameter` would hold it; raises ConstraintError with the reason."""
    if isinstance(parameter._own, bytes) and isinstance(value, str):
        value = value.encode()
    return check(parameter, value)
