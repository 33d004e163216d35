"""Hears what is recorded and appends it to the journal before the call returns to the user.

Nothing here knows a database. The path of a call is kept short on purpose: what can be made once per
function is kept in `Function`, and JSON is joined rather than built.
"""

from __future__ import annotations

import json
import math
import os
import platform
import socket
import struct
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import time_ns
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json as dumps

from tracelib import __version__
from tracelib.graph.arguments import Written
from tracelib.graph.call import plain_operand
from tracelib.graph.node import ExceptionNode, Node, Result, TextResult, is_node, operands
from tracelib.graph.operator import CODE, Operator
from tracelib.graph.tracing import WALL, Frame, Update, new_id
from tracelib.redaction import Redactor, is_secret_name
from tracelib.store.journal.journal import Journal
from tracelib.store.values.encoding import Encoder, digest
from tracelib.store.writing.lineage import Lineage
from tracelib.store.writing.notes import (
    NOTHING,
    SLOT,
    Function,
    Note,
    Told,
    packed_sections,
    quoted,
    raw_id,
)
from tracelib.store.writing.parameters import ParameterLog
from tracelib.store.writing.records import (
    BLOB,
    CALL,
    EVENT,
    FACTS,
    FAILED,
    FEEDBACK,
    MESSAGE,
    RETURNED,
    RUN,
    SESSION,
    UPDATE,
    VERSION,
    packed,
)
from tracelib.versioning import Version, version_of

if TYPE_CHECKING:
    from tracelib.graph.call import Call

PLAIN_RESULTS = (Result, TextResult)
SHORT = 64 << 10
"""Characters of a string that is written without a look at how much there is."""
BIG = 1 << 63
LARGE = 2_048
"""Bytes of JSON above which a value that the graph section needs is kept as a blob of its own."""
PREFIX = 200
"""Bytes of a big value that stay beside the reference to it."""
FUNCTIONS_AT_ONCE = 10_000
REMEMBERED_BLOBS = 4_096
TOLD_SECONDS = 60.0
"""After this long the bytes of a blob are written again when a call needs them."""


@dataclass(frozen=True)
class Settings:
    """What is kept, and how: `capture` is full, hash or none; `redact` is the user's own hook."""

    capture: str = "full"
    redact: Callable[[str], str] | None = None
    run: Callable[[], str | None] = field(default=lambda: None)


class Recorder:
    """A Listener that writes one process's records; threads and tasks call it at once."""

    def __init__(self, journal: Journal, settings: Settings | None = None) -> None:
        self.journal = journal
        self.settings = settings or Settings()
        self._run = self.settings.run
        self.redactor = Redactor(self.settings.redact)
        self.encoder = Encoder(self.redactor)
        self.on_version: Callable[[Version, Operator], None] = lambda version, op: None
        self._lineage = Lineage(self._recorded)
        self.parameters = ParameterLog(self.encoder, lambda values: self.write(UPDATE, values))
        self._latest = 0
        self._begin()
        _watch_forks(weakref.ref(self))

    def _begin(self) -> None:
        """Start a session: at once, and again in a forked child."""
        self.session = f"{new_id(time.time()):032x}"
        self._versions: dict[tuple[str, str], bool] = {}
        self._blobs: dict[str, float] = {}
        self._states: dict[tuple[str, str], bytes] = {}
        self.parameters.forget()
        self._functions: dict[int, Function] = {}
        self._told = False

    def _tell_session(self) -> None:
        """Nothing is written before there is something to tell."""
        if not self._told:
            self._told = True
            self.journal.append(SESSION, packed(_session(self.session)))

    def call_started(self, frame: Frame) -> None:
        """Give the call its id and show it as running."""
        start_ns = time_ns()
        frame._id = made = self._id(start_ns)
        raw = made.to_bytes(16, "big")
        op = frame.op
        known = self._functions.get(id(op))
        if known is None or known.op is not op:
            known = self._function(op)
        try:
            slot = self.journal.start(SLOT.pack(raw, start_ns) + known.running)
        except struct.error:  # a clock that somebody has put into another century: it is not shown as running
            slot = -1
        frame.facts = None
        frame.note = note = Note(self, known, frame, raw, start_ns, slot)
        if known.full and known.fn is not None:
            version = known.version or self._registered(known, known.fn)
            if version.state:
                note.state = self._state(version)

    def call_finished(self, call: Call) -> None:
        """Write the call: on return it survives the death of this process."""
        made, frame = call.node, call.frame
        note: Note | None = getattr(frame, "note", None)
        if note is None or note.session != self.session:
            note = self._late_note(frame)
        known = note.known
        fn = known.fn
        if fn is not None and (known.is_code or version_of(fn) is not known.version):
            version = self._version(known, made)
        else:
            version = known.version_text
        values, traced = self._plain(made, known)
        if values and not traced and made._extra is None and frame.facts is None:
            status, links = RETURNED, ""
            sections = b"%b\n\n\n%b\n" % (values, note.state)
        else:
            told = self._whole(made, frame, known, note.id.hex(), values)
            status, links = told.status, told.links
            sections = packed_sections(told, note.state)
        within = self._run()
        run = "null" if within is None else quoted(within)
        lines = f'["{note.session}",{known.names},{version},{run}]\n{links}\n'
        head = note.head(status, int((made._duration or 0.0) * 1e9), int(made._seq))
        self.journal.append(CALL, head + lines.encode() + sections)
        if note.slot >= 0:
            self.journal.end(note.slot)

    def _plain(self, made: Node[Any], known: Function) -> tuple[bytes, bool]:
        """Inputs and output, a line each, if all are plain, as in most calls; whether any came as a node."""
        extra = made._extra
        if not known.plain or type(made) not in PLAIN_RESULTS or (extra is not None and extra.keywords):
            return NOTHING, True
        args = made._args
        traced = not _all_plain((*args, made._data))
        if traced:
            args = tuple([one._data if is_node(one) else one for one in args])
            if not _all_plain((*args, made._data)):
                return NOTHING, True
        names = known.inputs.get(len(args))
        if names is None:
            names = known.inputs[len(args)] = known.op.input_names(len(args))
        try:
            values = b"%b\n%b" % (dumps(dict(zip(names, args))), dumps(made._data))  # noqa: B905 - a name each
        except ValueError:  # half of a surrogate pair
            return NOTHING, True
        return NOTHING if self.redactor.suspicious(values.decode()) else values, traced

    def _whole(self, made: Node[Any], frame: Frame, known: Function, id: str, plain: bytes) -> Told:
        """What is told of any call; `plain` are its inputs and output if they are written already."""
        told = Told(plain or self._values(made, frame, known))
        error_type = None
        if type(made) is ExceptionNode:
            told.status, error_type = FAILED, type(made.exception).__name__
            told.error = self._error(made) if known.full else NOTHING
        values = _SectionValues(self, known.full)
        found = self._lineage.of(made, id, values)
        slots: dict[str, str] = {}
        if found is not None:
            section, slots = found
            told.graph = self.encoder.dumps(section)
        facts, told.request = self._facts(frame, known.full)
        if error_type is not None or slots or values.blobs or facts:
            told.links = quoted([error_type, [*slots.items()], values.blobs, facts])
        return told

    def parameter_updated(self, update: Update) -> None:
        """Keep a change of a parameter: old, new, because, by whom."""
        self.parameters.updated(update)

    def event(self, name: str, data: dict[str, Any]) -> None:
        """Keep a named event, such as a candidate's score or feedback that was carried back."""
        if name == "feedback":
            self._feedback(data)
            return
        shown = self.encoder.encode({key: value for key, value in data.items() if not is_node(value)})
        self.write(EVENT, {"name": name, "data": shown.decode()})

    def write(self, kind: int, values: dict[str, Any]) -> None:
        """Append any record but a call, with the session, the run and the time."""
        self._tell_session()
        stamped = {"session": self.session, "run": self.settings.run(), "time_ns": time_ns(), **values}
        self.journal.append(kind, packed(stamped))

    def blob(self, data: bytes) -> str:
        """Keep bytes by their hash: once, and again after a while, since old calls may have been pruned."""
        found = digest(data)
        now = time.monotonic()
        if now - self._blobs.get(found, -math.inf) > TOLD_SECONDS:
            if len(self._blobs) > REMEMBERED_BLOBS:
                self._blobs.clear()
            self.journal.append(BLOB, data)
            self._blobs[found] = now
        return found

    def say(self, version: Version, text: str, by: str) -> None:
        """Keep a version's commit message that was written after it."""
        self.write(MESSAGE, {"name": version.name, "hash": version.hash, "text": text, "by": by})

    def run_changed(self, values: dict[str, Any]) -> None:
        """Keep the beginning or the end of a run."""
        self.write(RUN, values)

    def _id(self, start_ns: int) -> int:
        """An id that sorts after the last one, also when the clock was set back."""
        if start_ns < self._latest:
            start_ns = self._latest
        self._latest = start_ns
        return new_id(start_ns / 1e9)

    def _late_note(self, frame: Frame) -> Note:
        """For a call that was running when recording began, or when this process was forked from another."""
        before = getattr(frame, "note", None)
        start_ns = int((frame.start + WALL) * 1e9) if before is None else before.start_ns
        if before is not None or frame._id is None:
            frame._id = self._id(start_ns)
        frame.facts = getattr(frame, "facts", None)
        frame.note = made = Note(self, self._function(frame.op), frame, raw_id(frame), start_ns, -1)
        return made

    def _recorded(self, frame: Frame | None) -> str | None:
        """The id of a call that this recorder has written; None for any other."""
        note = getattr(frame, "note", None)
        return note.id.hex() if note is not None and note.keeper is self else None

    def _function(self, op: Operator | None) -> Function:
        assert op is not None
        found = self._functions.get(id(op))
        if found is None or found.op is not op:
            if len(self._functions) > FUNCTIONS_AT_ONCE:
                self._functions.clear()
            found = self._functions[id(op)] = Function(op, self.settings.capture)
            self._tell_session()
        return found

    def _version(self, known: Function, made: Node[Any]) -> str:
        """The version of the code that ran, as JSON: of the user's own, or of what a parameter held."""
        fn = known.fn
        last = made._args[-1] if made._args else None
        if is_node(last) and last._parameter is not None and last._parameter.is_code:
            fn = last._parameter._code.function(last._data)
        return quoted(self._registered(known, fn).hash)

    def _registered(self, known: Function, fn: Any) -> Version:
        """The version of a function, written where it is new."""
        version = version_of(fn)
        if version is known.version:
            return version
        key = known.op.key, version.hash
        if key not in self._versions:
            # Before another thread can refer to it; that both write it does no harm.
            self.write(VERSION, self._described(version, known.op))
            self._versions[key] = True
            self.on_version(version, known.op)
        known.version_text = quoted(version.hash)
        known.version = version
        return version

    def _described(self, version: Version, op: Operator) -> dict[str, Any]:
        return {
            "key": op.key,
            "name": op.name,
            "kind": op.kind,
            "description": op.description and self.redactor.text(op.description),
            "closure": self._redacted(version.to_json()),
            "api_params": json.loads(self.encoder.encode(dict(op.api_params))),
        }

    def _redacted(self, closure: dict[str, Any]) -> dict[str, Any]:
        """A closure as the user's own rule leaves it; secrets that are known are not in it anyway."""
        if self.settings.redact is None:
            return closure
        found: dict[str, Any] = json.loads(self.encoder.encode(closure))
        return found

    def _values(self, made: Node[Any], frame: Frame, known: Function) -> bytes:
        """The inputs and the output, a line each; an output that is not kept, or was none, is empty."""
        if known.capture == "none":
            return b"{}\n"
        output = NOTHING if type(made) is ExceptionNode else self._value(made._data, known.capture)
        return self._inputs(made, frame, known) + b"\n" + output

    def _inputs(self, made: Node[Any], frame: Frame, known: Function) -> bytes:
        """The arguments as the body got them, as a JSON object by name."""
        given = _given(frame)
        kept_by_name = list(operands(made))
        passed = {
            name: plain_operand(kept) for name, kept in kept_by_name if name != CODE and name not in given
        }
        if known.op.receiver and made._args:
            passed.pop(next(iter(passed)), None)
        if known.capture == "hash":
            digests = {name: self._digest(self.encoder.encode(value)) for name, value in passed.items()}
            return _joined({**digests, **{name: self._digest(value) for name, value in given.items()}})
        if not given:
            return self.encoder.encode(passed)
        order = [name for name, _ in kept_by_name if name in passed or name in given]
        return _joined({name: self._named(name, passed.get(name), given.get(name)) for name in order})

    def _named(self, name: str, value: Any, before: bytes | None) -> bytes:
        """An argument as JSON, as it was before the body ran if that is known; its name may tell a secret."""
        if is_secret_name(name):
            whole = self.encoder.encode({name: value if before is None else json.loads(before)})
            return dumps(json.loads(whole)[name])
        return self.encoder.encode(value) if before is None else before

    def _value(self, value: Any, capture: str) -> bytes:
        encoded = self.encoder.encode(value)
        return encoded if capture == "full" else self._digest(encoded)

    def _digest(self, encoded: bytes) -> bytes:
        """What is kept of a value of which only a digest is wanted."""
        shown = {"$": "digest", "sha256": digest(encoded), "size": len(encoded)}
        return quoted(shown).encode()

    def _error(self, made: ExceptionNode) -> bytes:
        error = made.exception
        kind = type(error)
        return self.encoder.encode(
            {
                "type": f"{kind.__module__}:{kind.__qualname__}",
                "message": _message(error),
                "text": made._data,
            }
        )

    def _facts(self, frame: Frame, full: bool) -> tuple[dict[str, Any], bytes]:
        """What was said of the call by `annotate`: columns of a model's call, and what was sent to it."""
        said = frame.facts
        if said is None:
            return {}, NOTHING
        columns = {name: self._fact(said[name]) for name in FACTS if said.get(name) is not None}
        request = said.get("request")
        return columns, self.encoder.encode(request) if full and request is not None else b""

    def _fact(self, value: Any) -> Any:
        return self.redactor.text(value) if isinstance(value, str) else value

    def _state(self, version: Version) -> bytes:
        """The values of the mutable globals that the function reads, where they changed since last told."""
        changed = {}
        for name, value in _state_of(version):
            encoded = self.encoder.encode(value)
            key = version.name, name
            if self._states.get(key) != encoded:
                self._states[key] = encoded
                changed[name] = encoded
        return _joined(changed) if changed else b""

    def _feedback(self, data: dict[str, Any]) -> None:
        """Feedback that was carried back from a call's result, kept with that call."""
        made = data.get("output")
        call = None if made is None else self._recorded(made._frame)
        if call is not None:
            said = data["feedback"]
            text = self.redactor.text(said.text)
            self.write(FEEDBACK, {"target": call, "text": text, "score": said.score})


class _SectionValues:
    """The values in the graph section of one call."""

    def __init__(self, recorder: Recorder, full: bool) -> None:
        self.blobs: list[str] = []
        self._recorder = recorder
        self._full = full

    def kept(self, value: Any) -> Any:
        if not self._full:
            return None
        structure, encoded = self._recorder.encoder.both(value)
        if len(encoded) <= LARGE:
            return structure
        found = self._recorder.blob(encoded)
        self.blobs.append(found)
        prefix = encoded[:PREFIX].decode("utf-8", "ignore")
        return {"$": "blob", "hash": found, "size": len(encoded), "prefix": prefix}

    def said(self, text: str) -> str:
        return self._recorder.redactor.text(text)

    def seen(self, parameter: Any, value: Any) -> None:
        self._recorder.parameters.seen(parameter, value)


def _joined(values: dict[str, bytes]) -> bytes:
    """JSON values by name as one object."""
    return (
        b"{" + b",".join(b"%s:%s" % (quoted(name).encode(), value) for name, value in values.items()) + b"}"
    )


def _all_plain(values: tuple[Any, ...]) -> bool:
    """Whether JSON has them as they are, and none of them is long."""
    for one in values:
        kind = type(one)
        if kind is str:
            if len(one) > SHORT:
                return False
        elif not (one is None or kind is bool or (kind is int and -BIG < one < BIG)):
            return False
    return True


def _given(frame: Frame) -> dict[str, bytes]:
    """The arguments that were written down before the body ran, which may have changed them since."""
    watch = getattr(frame, "given", None)
    if not watch:
        return {}
    return {name: before for name, _, before, _ in watch if type(before) is Written}


def _state_of(version: Version) -> Iterator[tuple[str, Any]]:
    """The values that the code's mutable globals have now, by name."""
    for module, name in version.state:
        found = sys.modules.get(module)
        if found is not None and name in vars(found):
            yield name, vars(found)[name]


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # a user's __str__; the call is recorded all the same
        return f"<{type(error).__name__} whose __str__ raised {type(broken).__name__}>"


def _watch_forks(recorder: weakref.ref[Recorder]) -> None:
    """Lets the recorder begin anew in a forked child: asking for the process at each call costs more."""

    def begin() -> None:
        found = recorder()
        if found is not None:
            found._begin()

    os.register_at_fork(after_in_child=begin)


def _session(session: str) -> dict[str, Any]:
    return {
        "session": session,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "tracelib": __version__,
        "time_ns": time_ns(),
    }
