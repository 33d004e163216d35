"""Frozen functions: a call gives what is stored for the same version and inputs, and no code runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tracelib.errors import StoreError
from tracelib.graph.bundle import BoundBundle, Bundle
from tracelib.graph.operator import Operator
from tracelib.redaction import Redactor
from tracelib.store import schema
from tracelib.store.values.blobs import outsourced
from tracelib.store.values.encoding import Encoder, digest
from tracelib.store.values.opened import value
from tracelib.versioning import version_of

if TYPE_CHECKING:
    from tracelib.store.store import Store


class Frozen:
    """Functions that are frozen until the block ends, or `unfreeze`."""

    def __init__(self, bundles: Sequence[Bundle[Any, Any]]) -> None:
        self._bundles = bundles

    def __enter__(self) -> Frozen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unfreeze(self._bundles)


def freeze(store: Store, given: Sequence[Any]) -> Frozen:
    """Freeze recorded functions with what a store holds now; see `Store.freeze`."""
    bundles = [_bundle(one) for one in given]
    store.ready()
    for bundle in bundles:
        bundle.put_around(functools.partial(_around, _Kept(store, bundle.op)))
    return Frozen(bundles)


def unfreeze(given: Sequence[Any]) -> None:
    """Let recorded functions run again."""
    for bundle in map(_bundle, given):
        bundle.put_around(None)


def _bundle(given: Any) -> Bundle[Any, Any]:
    found = getattr(given, "__func__", given)
    if not isinstance(found, Bundle) or isinstance(given, BoundBundle):
        raise StoreError(
            f"only a recorded function can be frozen, not {type(given).__name__}: give the @bundle itself"
        )
    return found


class _Kept:
    """What is stored of one function, looked up by version and inputs."""

    def __init__(self, store: Store, op: Operator) -> None:
        self._store = store
        self._op = op
        self._encoder = Encoder(Redactor())

    def output(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Any]:
        """Whether there is an output for these inputs, and what it is; the newest where there are several."""
        inputs = self._inputs(args, kwargs)
        found = (
            select(schema.payload.c.output)
            .join(schema.call, schema.call.c.n == schema.payload.c.call)
            .join(schema.version, schema.version.c.n == schema.call.c.version)
            .where(
                schema.version.c.hash == version_of(fn).hash,
                schema.call.c.status == schema.RETURNED,
                schema.payload.c.inputs == inputs,
                schema.payload.c.output.isnot(None),
            )
            .order_by(schema.call.c.n.desc())
            .limit(1)
        )
        with self._store.database.reading() as connection:
            text = connection.execute(found).scalar()
            return text is not None, value(connection, self._store.blobs, text)

    def _inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The inputs as a call's record has them."""
        names = self._op.input_names(len(args) + len(kwargs))
        keyword = {name: kwargs[name] for name in names if name in kwargs}
        named = dict(zip(names, args, strict=False)) | keyword | kwargs
        if self._op.receiver and args:
            named.pop(names[0])
        return outsourced(self._encoder.encode(named), digest)[0]


def _around(kept: _Kept, fn: Any) -> Callable[..., Any]:
    """What runs in place of a frozen function; of its kind, so that awaiting and iterating work as ever."""
    if inspect.iscoroutinefunction(fn):
        return functools.partial(_awaited, kept, fn)
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise StoreError(
            f"{fn.__qualname__} is a generator: what it yields is stored step by step, not as one"
        )
    return functools.partial(_called, kept, fn)


def _called(kept: _Kept, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    there, output = kept.output(fn, args, kwargs)
    return output if there else fn(*args, **kwargs)


async def _awaited(kept: _Kept, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    there, output = kept.output(fn, args, kwargs)
    return output if there else await fn(*args, **kwargs)
