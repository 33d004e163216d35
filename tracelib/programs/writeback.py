"""What was learned, written into the user's own source: docstrings, constants and code, in place.

A value stands where the source says what it was before; everything around it stays as it was written.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracelib.errors import StateError
from tracelib.graph.constraint import encode
from tracelib.graph.module import FORMAT
from tracelib.programs.literals import Manner, docstring, spoken
from tracelib.programs.places import CODE, CONSTANT, DOCSTRING, PARTS, Place, places_of
from tracelib.programs.sources import SourceFile, sources_of

RESULT = "tracelib result 1"
"""The format of what a Trainer's result saves, whose room lies above this one."""


@dataclass(frozen=True)
class Change:
    """A parameter by its path, and what it is to become: JSON values, as results and states hold them.

    A state does not say what was before: then `dated` is false. `program` is whose parameter it is.
    """

    path: str
    new: Any
    old: Any = None
    dated: bool = True
    program: str | None = None


@dataclass(frozen=True)
class Spot:
    """A place, in its file."""

    file: SourceFile
    place: Place

    def __str__(self) -> str:
        return f"{self.file.path}:{self.place.line}"

    @property
    def key(self) -> tuple[Any, ...]:
        """What stays the same of it while the file is edited."""
        return self.file.path, *self.place.key


@dataclass
class Rewriting:
    """The files as they were and as they will be; `refused` says by path why a value cannot be written."""

    before: dict[Path, SourceFile] = field(default_factory=dict)
    after: dict[Path, SourceFile] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    taken: dict[Any, str] = field(default_factory=dict)

    @property
    def changed(self) -> list[SourceFile]:
        """The files that are other than they were."""
        return [file for path, file in self.after.items() if file.text != self.before[path].text]

    def diff(self, file: SourceFile) -> list[str]:
        """What changes in a file, as a unified diff."""
        name, old = str(file.path), self.before[file.path]
        return list(difflib.unified_diff(_shown(old), _shown(file), name, name, lineterm=""))

    def write(self) -> None:
        """Change the files. Raises StateError, and writes none, where a value was refused."""
        if self.refused:
            reasons = "; ".join(f"{path}: {reason}" for path, reason in self.refused.items())
            raise StateError(f"nothing was written. {reasons}")
        for file in self.changed:
            file.write()

    def opened(self, where: str) -> tuple[Path, str]:
        """A file that is looked into, and the qualname in it that is meant, if any."""
        file, qualname = sources_of(where)
        known = next((p for p in self.before if p.resolve() == file.path.resolve()), file.path)
        self.before.setdefault(known, file)
        self.after.setdefault(known, file)
        return known, qualname.replace(".<locals>", "")


def changes_of(content: Any) -> list[Change]:
    """What a result or a state says that parameters are to become; StateError where it is neither."""
    told = content.get("training", content) if isinstance(content, Mapping) else {}
    if told.get("format") == RESULT:
        seed, best, programs = told["seed"], told["best"], told.get("programs", {})
        changed = {path for path in best if not _same(best[path], seed[path])}
        # New code of a program brings a docstring of its own, which is not the one that was learned.
        paths = [
            path for path in best if path in changed or (_is_docstring(path) and _whose(path) in changed)
        ]
        return [Change(path, best[path], seed[path], True, programs.get(path)) for path in paths]
    if told.get("format") == FORMAT:
        return [Change(path, value, dated=False) for path, value in told["parameters"].items()]
    raise StateError("it is neither the result of a training nor a state of a program's parameters")


def rewrite(changes: Sequence[Change], wheres: Sequence[str] = ()) -> Rewriting:
    """Find the place of each change, and change the text there; nothing is written to a file yet.

    `wheres` are files or programs ("app:Agent") to look into; without any, each change says whose it is.
    Raises StateError where a file is not there, or no text of Python.
    """
    made = Rewriting()
    named = list(wheres) or list(dict.fromkeys(c.program for c in changes if c.program))
    if changes and not named:
        raise StateError("it does not say whose parameters these are: name the source file, or app:Agent")
    for change in sorted(
        changes, key=lambda change: _is_docstring(change.path)
    ):  # code is changed before the docstring in it
        own = [change.program] if change.program and not wheres else named
        try:
            _apply(made, change, [made.opened(where) for where in own])
        except ValueError as error:
            made.refused[change.path] = str(error)
    return made


def _is_docstring(path: str) -> bool:
    return path.rpartition(".")[2] in PARTS.values()


def _whose(path: str) -> str:
    """The path of the function whose docstring it is."""
    return path.rpartition(".")[0]


def _apply(made: Rewriting, change: Change, looked: list[tuple[Path, str]]) -> None:
    """Make one change; ValueError says why not."""
    spots = [
        spot for path, qualname in dict(looked).items() for spot in _spots(made.after[path], qualname, change)
    ]
    if not spots:
        raise ValueError(f"it does not stand in {', '.join(str(path) for path in dict(looked))}")
    spot = _chosen(change, spots, made.taken)
    if spot is not None:
        made.after[spot.file.path] = _edited(spot, change.new)
        made.taken[spot.key] = change.path
        made.written.append(change.path)


def _spots(file: SourceFile, qualname: str, change: Change) -> list[Spot]:
    """Where a parameter may stand in a file: by its path, else by its value alone."""
    try:
        places = places_of(file.text)
    except (SyntaxError, ValueError) as error:
        raise StateError(f"{file.path} does not parse: {error}") from error
    fitting = [place for place in places if place.fits(change.path)]
    owned = [place for place in fitting if _is_in(place, qualname, change.path)]
    by_value = [] if fitting or not change.dated else [p for p in places if _holds(p, change.old)]
    return [Spot(file, place) for place in owned or fitting or by_value]


def _is_in(place: Place, qualname: str, path: str) -> bool:
    """Whether it is the class's own attribute or method, or the function itself."""
    whole = f"{place.owner}.{place.path}".strip(".")
    return bool(qualname) and f"{whole}.".startswith(f"{qualname}.") and path in (place.path, place.given)


def _chosen(change: Change, spots: list[Spot], taken: Mapping[Any, str]) -> Spot | None:
    """The one place that is meant; None where it says already what it should."""
    wanted = [s for s in spots if not change.dated or _holds(s.place, change.old) or _is_ours(s, taken)]
    if len(wanted) > 1:
        raise ValueError(f"it may stand at {' or '.join(map(str, wanted))}: which is meant cannot be told")
    if wanted and wanted[0].key not in taken:
        if _holds(wanted[0].place, change.new):
            return None
        if wanted[0].place.problem:
            raise ValueError(f"{wanted[0]}: {wanted[0].place.problem}")
        return wanted[0]
    if any(_holds(spot.place, change.new) for spot in spots):
        return None
    spot = spots[0]
    if spot.key in taken:
        raise ValueError(f"{spot} is where {taken[spot.key]} begins too, and they differ now")
    if not spot.place.known:
        raise ValueError(f"{spot}: {spot.place.problem}")
    raise ValueError(
        f"the file changed since: {spot} says {_short(spot.place.value)}, and it was {_short(change.old)}"
    )


def _is_ours(spot: Spot, taken: Mapping[Any, str]) -> bool:
    """Whether it is the docstring of code that was just written."""
    file, kind, owner, path, nth = spot.key
    return kind == DOCSTRING and (file, CODE, owner, _whose(path), nth) in taken


def _edited(spot: Spot, new: Any) -> SourceFile:
    """The file with the value in its place; ValueError where the source cannot say it there."""
    file, place = spot.file, spot.place
    if place.kind == CODE:  # whole lines, as the parameter holds them
        start = file.offset(place.node.lineno, 0)
        lines = file.lines[place.node.lineno - 1 : place.node.end_lineno]
        end = start + len("".join(lines).rstrip("\r\n"))
    else:
        start = file.offset(place.node.lineno, place.node.col_offset)
        end = file.offset(place.node.end_lineno, place.node.end_col_offset)
    made = file.edited(start, end, _text(spot, file.text[start:end], new))
    if not any(_is_written(place, other, new) for other in _places(made)):
        raise ValueError(f"{spot} would not say {_short(new)} when it is read back")
    return made


def _text(spot: Spot, now: str, new: Any) -> str:
    """What is to stand there, with lines that end in LF."""
    file, place = spot.file, spot.place
    if place.kind == DOCSTRING:
        before = file.lines[place.node.lineno - 1].encode()[: place.node.col_offset].decode()
        indent = before if before.isspace() else _margin(before) + "    "
        return docstring(new, now, indent, file.holds)
    if place.kind == CONSTANT:
        manner, value = Manner.of(now, file.holds), _like(new, place.value)
        return manner.text(value) if isinstance(value, str) else manner.value(value)
    if not file.holds(new):
        raise ValueError(f"{file.path} is in {file.encoding}, which has not all characters of the new code")
    return "\n".join(_set_in(new, _margin(now))) if place.kind == CODE else str(new)


def _is_written(place: Place, other: Place, new: Any) -> bool:
    if other.key != place.key or not other.known:
        return False
    if place.kind == CODE:
        return ast.dump(ast.parse(other.value)) == ast.dump(ast.parse(new))
    return _holds(other, new)


def _places(file: SourceFile) -> list[Place]:
    try:
        return places_of(file.text)
    except SyntaxError as error:
        raise ValueError(f"{file.path} would not parse: {error}") from error


def _set_in(code: str, margin: str) -> Iterator[str]:
    """The lines of a function with a margin before them; lines inside strings are left as they are."""
    inside: set[int] = set()
    opened: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "FSTRING_START":
            opened.append(token.start[0])
        elif kind in ("STRING", "FSTRING_END"):
            first = opened.pop() if kind == "FSTRING_END" else token.start[0]
            inside.update(range(first + 1, token.end[0] + 1))
    for number, line in enumerate(code.split("\n"), start=1):
        yield line if number in inside or not line.strip() else margin + line


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _holds(place: Place, value: Any) -> bool:
    if place.kind == DOCSTRING and isinstance(value, str):
        return spoken(place.value) == spoken(value)
    return place.known and _same(encode(place.value), value)


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _like(value: Any, was: Any) -> Any:
    """A JSON value in the type that the source has."""
    if isinstance(was, (tuple, set)) and isinstance(value, list):
        return type(was)(value)
    return value.encode() if isinstance(was, bytes) and isinstance(value, str) else value


def _shown(file: SourceFile) -> list[str]:
    return [line.rstrip("\r\n") for line in file.lines]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}... ({len(text)} characters)"
