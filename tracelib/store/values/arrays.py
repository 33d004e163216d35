"""Scalars and arrays of numpy, which is asked for nothing unless the program has loaded it itself."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from tracelib.store.values.objects import has_base, opaque

if TYPE_CHECKING:
    from tracelib.store.values.walk import Walk

ARRAY = 1 << 20
"""Bytes of an array's data; of a bigger one only dtype, shape and digest are kept."""
NUMBERS = "biufcmM"
"""Kinds of dtype whose bytes say all; texts and objects (U, S, O) are kept as lists."""


def is_numpy(kind: type) -> bool:
    """Whether it is the type of an array or of a scalar of numpy."""
    generic = _numpy("generic")
    return type(generic) is type and (kind is _numpy("ndarray") or has_base(kind, generic))


def _numpy(name: str) -> Any:
    module = sys.modules.get("numpy")
    return vars(module).get(name) if type(module) is types.ModuleType else None


def read_array(walk: Walk, value: Any, depth: int) -> dict[str, Any]:
    """An array, or a scalar as an array without dimensions, in C order."""
    dtype = value.dtype
    if dtype.kind not in NUMBERS + "USO":
        return opaque(value, walk.redactor)
    sort = "array" if type(value) is _numpy("ndarray") else "numpy"
    made = {"$": sort, "dtype": dtype.str, "shape": list(value.shape)}
    if dtype.kind not in NUMBERS and value.size <= max(walk.elements, 1):
        items, whole = walk.members(value.ravel().tolist(), value.size, depth)
        return {**made, "items": items} if whole else {**made, "$": "cut", "type": sort, "items": items}
    if value.nbytes > min(ARRAY, walk.left * 3 // 4) or dtype.kind not in NUMBERS:
        # Objects have no bytes of their own: an address is no content.
        digest = {} if dtype.kind == "O" else walk.digest(value.nbytes, value.tobytes)
        return {**made, "$": "cut", "type": sort, "size": value.nbytes, **digest}
    return {**walk.binary(sort, value.tobytes()), **made}
