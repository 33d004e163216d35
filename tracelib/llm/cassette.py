"""Questions and replies on a cassette: recorded once, replayed where no model is to be asked, as in a test.

A cassette is a file of JSON lines, one question with its reply on each, in the order of asking; secrets are
redacted. Recording and replaying see every question of the block, of all its threads, tasks and streams.
"""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

from tracelib import errors
from tracelib.errors import CassetteError, CassetteMiss, InvalidReply, ModelCallError
from tracelib.llm.asked import as_text, asked, canonical, cleaned, key_of
from tracelib.llm.cache import as_kept
from tracelib.llm.difference import difference, nearest
from tracelib.llm.guard import CASSETTES, Question, Steps
from tracelib.llm.reply import Reply

HEADER = {"tracelib": "cassette 1"}
PASSING = ("duration", "first_token", "request_id", "kept", "cost_source")
"""What a recording leaves out, being another at every recording."""

FACTS = ("status", "code", "request_id", "attempts")
"""What a ModelCallError tells beside its message."""


class Recorder:
    """Made by `trace.record(path)`; writes each question with its reply once those before it have theirs."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._lock = threading.Lock()
        self._slots: deque[list[dict[str, Any] | None]] = deque()
        self._file: TextIO | None = None

    def __enter__(self) -> Recorder:
        if self._file is not None:
            raise CassetteError(f"{self.path} is being recorded: a second block would lose what is in it")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise CassetteError(f"nothing can be recorded in {self.path}: {error}") from error
        self._put(HEADER)
        CASSETTES.begin_block(self)
        return self

    def __exit__(self, *error: object) -> None:
        CASSETTES.end_block(self)
        with self._lock:
            for slot in self._slots:  # what is still under way keeps the rest waiting no longer
                slot[:] = slot or [None]
            self._write()
            file, self._file = self._file, None
        if file is not None:
            file.close()

    def __call__(self, question: Question) -> Steps:
        """The guard: the question passes, and is written down with what came of it."""
        slot: list[dict[str, Any] | None] = []
        with self._lock:
            self._slots.append(slot)
        line: dict[str, Any] | None = None
        try:
            told = told_of(question)
            reply = yield question
            line = {"question": told, "reply": cleaned(_brief(reply))}
        except ModelCallError as error:
            line = {"question": told, "error": cleaned(_failure(error))}
            raise
        finally:
            with self._lock:
                slot.append(line)
                self._write()
        return reply

    def _write(self) -> None:
        while self._slots and self._slots[0]:
            (line,) = self._slots.popleft()
            if line is not None:
                self._put(line)

    def _put(self, line: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(as_text(line) + "\n")
            self._file.flush()


@dataclass(frozen=True)
class Line:
    """One line of a cassette; `number` counts from 1, as editors do."""

    number: int
    question: dict[str, Any]
    result: Reply | ModelCallError


class Player:
    """Made by `trace.replay(path)`; a question of several lines is answered by each in turn."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._lock = threading.Lock()
        self._lines: list[Line] = []
        self._left: dict[str, deque[Line]] = defaultdict(deque)

    @property
    def unused(self) -> list[dict[str, Any]]:
        """The questions on the cassette that nobody has asked yet."""
        left = {line.number: line.question for lines in self._left.values() for line in lines}
        return [left[number] for number in sorted(left)]

    def __enter__(self) -> Player:
        self._lines = read_lines(self.path)
        self._left.clear()
        for line in self._lines:
            self._left[key_of(line.question)].append(line)
        CASSETTES.begin_block(self)
        return self

    def __exit__(self, *error: object) -> None:
        CASSETTES.end_block(self)

    def __call__(self, question: Question) -> Steps:
        """The guard: answers from the cassette, and asks nobody."""
        started = perf_counter()
        result = self._next(told_of(question))
        if isinstance(result, ModelCallError):
            raise result
        return as_kept(result, perf_counter() - started)
        yield question  # never asked, but it makes this a guard

    def _next(self, told: dict[str, Any]) -> Reply | ModelCallError:
        with self._lock:
            left = self._left.get(key_of(told))
            if left:
                return left.popleft().result
        raise self._miss(told)

    def _miss(self, told: dict[str, Any]) -> CassetteMiss:
        again = f"If that is meant, record it anew by `with trace.record({self.path.name!r}):`"
        if not self._lines:
            return CassetteMiss(f"{self.path} holds no question at all. {again}")
        same = [str(line.number) for line in self._lines if line.question == told]
        if same:
            lines = "line " + ", ".join(same)
            return CassetteMiss(
                f"the question of {lines} in {self.path} is asked once more than recorded. {again}"
            )
        open_lines = [line for left in self._left.values() for line in left] or self._lines
        found = open_lines[nearest(canonical(told), [canonical(line.question) for line in open_lines])]
        shown = difference(found.question, told)
        return CassetteMiss(
            f"{self.path} holds no reply to this question. The nearest is that of line {found.number}, "
            f"and differs so (- recorded, + asked):\n{shown}\n{again}",
            shown,
        )


def record(path: str | os.PathLike[str]) -> Recorder:
    """Write down every question of a block with its reply: `with trace.record("x.jsonl"):`; a file of that
    name is replaced.

    Failures of the endpoint are recorded too; a stream that is left half read is not, nor what is still
    under way when the block ends. Raises CassetteError when the file cannot be written.
    """
    return Recorder(path)


def replay(path: str | os.PathLike[str]) -> Player:
    """Answer every question of a block from a cassette: `with trace.replay("x.jsonl"):`; no model is asked.

    A question is the same when model, messages, parameters and `sample=` are, whatever the host; it needs no
    key. Raises CassetteError when the file cannot be read, and CassetteMiss, which shows the difference, for
    a question that is not on it. `unused` of what `with` gives are the questions not asked.
    """
    return Player(path)


def told_of(question: Question) -> dict[str, Any]:
    """A question as it is on a cassette: without host, secrets, and what says nothing."""
    told = cleaned({key: value for key, value in asked(question).items() if key != "provider"})
    return {key: value for key, value in told.items() if value or key in ("model", "messages")}


def read_lines(path: Path) -> list[Line]:
    """The lines of a cassette. Raises CassetteError, which names the line that is none."""
    try:
        texts = path.read_text("utf-8").split("\n")
    except FileNotFoundError as error:
        raise CassetteError(
            f"there is no cassette {path}: record it first, by `with trace.record({path.name!r}):`"
        ) from error
    except (OSError, ValueError) as error:
        raise CassetteError(f"the cassette {path} cannot be read: {error}") from error
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            told = json.loads(text) if text.strip() else None
            if number == 1:
                _check(told)
            elif told is not None:
                lines.append(Line(number, told["question"], _result(told)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CassetteError(f"line {number} of the cassette {path} cannot be read: {error!r}") from error
    return lines


def _check(header: Any) -> None:
    if header != HEADER:
        raise ValueError(f"it does not begin with {json.dumps(HEADER)}")


def _result(told: Mapping[str, Any]) -> Reply | ModelCallError:
    if "error" in told:
        return _error(told["error"])
    return Reply.from_json({**Reply(told["reply"]["text"]).to_json(), **told["reply"]})


def _brief(reply: Reply) -> dict[str, Any]:
    """The reply as JSON, without what is as good as not said."""
    given = replace(reply, usage=reply.kept, cost=None) if reply.kept is not None else reply
    told, plain = given.to_json(), Reply(given.text).to_json()
    told["usage"] = {k: v for k, v in told["usage"].items() if v is not None and k != "raw"}
    return {k: v for k, v in told.items() if k == "text" or (k not in PASSING and v != plain[k])}


def _failure(error: ModelCallError) -> dict[str, Any]:
    facts = {name: getattr(error, name) for name in FACTS if getattr(error, name) is not None}
    quoted = {"reply": error.reply} if isinstance(error, InvalidReply) else {}
    return {"type": _known(type(error)).__name__, "message": str(error), **facts, **quoted}


def _known(kind: type[ModelCallError]) -> type:
    """The kind of failure that a replay can raise: the user's own is one of ours too."""
    known: list[type] = [one for one in kind.__mro__ if getattr(errors, one.__name__, None) is one]
    return known[0]


def _error(told: Mapping[str, Any]) -> ModelCallError:
    """The error that `_failure` described."""
    kind = getattr(errors, told["type"])
    if not issubclass(kind, ModelCallError):
        raise ValueError(f"{told['type']} is no failure of an endpoint")
    error: ModelCallError = kind(told["message"])
    for name in (*FACTS, "reply"):
        if name in told:
            setattr(error, name, told[name])
    return error
