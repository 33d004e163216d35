"""What a store gives back: one frozen value per kind of row, with readable fields and JSON."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, overload

from tracelib.versioning import Version

NANO = 1_000_000_000


@dataclass(frozen=True)
class StoredVersion:
    """One version of a function: what seed documents call a serialized language model program.

    `id` is the hash. `number` counts from 1 for each name. `calls` is how often it was called.
    `uses` are the recorded functions it reaches, as (name, hash).
    """

    id: str
    name: str  # module:qualname
    number: int
    kind: str
    source: str
    dependencies: str
    created_at: datetime
    message: str
    message_by: str
    api_params: Mapping[str, Any]
    initial_free_vars: Mapping[str, Any]
    initial_global_vars: Mapping[str, Any]
    partial: bool
    calls: int
    uses: tuple[tuple[str, str], ...] = ()
    parent: str | None = None  # hash of the version before
    description: str | None = None  # what the function does, in its author's words
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    closure: str = field(default="", repr=False)  # Version.to_json()

    @property
    def whole(self) -> Version:
        """The version with every part of its closure, to be compared with another."""
        return Version.from_json(json.loads(self.closure))

    def to_json(self) -> dict[str, Any]:
        return _object(self)


@dataclass(frozen=True)
class StoredCall:
    """One call, without its values unless they were asked for (`inputs`, `output`, `error` are None then).

    `start` is UTC, `duration` and `first_token` are in seconds, `cost` in dollars (None when unknown).
    `output` is the plain value as decoded; `error` has `type`, `message` and `text`.
    """

    id: str  # UUIDv7
    trace: str
    parent: str | None
    name: str  # what its function is called
    function: str  # module:qualname
    kind: str
    version: str | None  # hash
    number: int | None  # of the version
    status: str  # returned, failed, interrupted
    error_type: str | None
    start: datetime
    duration: float
    model: str | None = None
    provider: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None
    attempts: int | None = None
    first_token: float | None = None
    cost: float | None = None
    sandbox: str | None = None  # where code that a model wrote ran
    run: str | None = None
    tags: tuple[str, ...] = ()
    place: int = 0
    n: int = field(default=0, repr=False)
    inputs: Mapping[str, Any] | None = None
    output: Any = None
    error: Mapping[str, Any] | None = None
    state: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        return _object(self)


@dataclass(frozen=True)
class StoredUpdate:
    """One change of a parameter; `old` is None when it was first seen, and `because` says so."""

    program: str
    path: str
    at: datetime
    old: Any
    new: Any
    because: str
    by: str
    score: float | None = None
    is_code: bool = False
    number: int = 0  # the state of the program that it led to, from 1

    def to_json(self) -> dict[str, Any]:
        return _object(self)


@dataclass(frozen=True)
class StoredFeedback:
    """What was said about a call, version or run; a comment is feedback named `comment`."""

    id: int
    target_kind: str
    target: str
    name: str
    score: float | None
    text: str
    source: str
    by: str
    at: datetime

    def to_json(self) -> dict[str, Any]:
        return _object(self)


@dataclass(frozen=True)
class StoredFunction:
    """A recorded function: how many versions and calls of it there are, and how many calls failed."""

    key: str  # module:qualname
    name: str
    kind: str
    versions: int
    calls: int
    failed: int
    last: datetime | None  # start of the newest call

    @property
    def error_share(self) -> float:
        """Of 0 to 1."""
        return self.failed / self.calls if self.calls else 0.0

    def to_json(self) -> dict[str, Any]:
        return _object(self) | {"id": self.key, "error_share": self.error_share}


@dataclass(frozen=True)
class Flow:
    """A value of `source` that `target` used: as the input of a name, or as read, within, control."""

    source: str
    target: str
    slot: str
    call: StoredCall | None  # at the other end; None when it is not stored

    def to_json(self) -> dict[str, Any]:
        return _object(self)


@dataclass(frozen=True)
class StoredRun:
    """One execution of a program or experiment; `end` is None while it runs, `cost` is in dollars."""

    id: str
    name: str
    config: Any
    status: str
    error: str | None
    start: datetime
    end: datetime | None
    calls: int
    tokens: int
    cost: float | None
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return _object(self)


@dataclass(frozen=True)
class StoredEvent:
    """Something that was told by name while a program ran."""

    id: int
    at: datetime
    name: str
    data: Any
    run: str | None

    def to_json(self) -> dict[str, Any]:
        return _object(self)


@overload
def shown_id(raw: bytes) -> str: ...
@overload
def shown_id(raw: None) -> None: ...
def shown_id(raw: bytes | None) -> str | None:
    """An id as people see it; of none there is nothing to see."""
    return None if raw is None else str(uuid.UUID(bytes=bytes(raw)))


def raw_id(shown: str) -> bytes:
    """The 16 bytes of an id; raises ValueError for anything else."""
    return uuid.UUID(shown).bytes


def moment(nanoseconds: int) -> datetime:
    """UTC time of unix nanoseconds."""
    return datetime.fromtimestamp(nanoseconds / NANO, UTC)


def _object(row: Any) -> dict[str, Any]:
    shown: dict[str, Any] = _json(row)
    return shown


def _json(value: Any) -> Any:
    """Fields as JSON values; what is no JSON is its text."""
    if is_dataclass(value) and not isinstance(value, type):
        hidden = {f.name for f in fields(value) if not f.repr}
        return {f.name: _json(getattr(value, f.name)) for f in fields(value) if f.name not in hidden}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
