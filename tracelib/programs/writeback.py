"""What was learned, written into the user's own source: docstrings, constants and code, in place.

A value stands where the source says what it was before; everything around it stays as it was written.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import tokenize
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracelib.errors import StateError
from tracelib.graph.constraint import encode
from tracelib.programs.changes import Change, is_docstring, same, whose
from tracelib.programs.literals import Manner, docstring, spoken
from tracelib.programs.places import CODE, CONSTANT, DOCSTRING, LAMBDA, Place, places_of
from tracelib.programs.sources import SourceFile, sources_of


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


def rewrite(changes: Sequence[Change], wheres: Sequence[str] = ()) -> Rewriting:
    """Find the place of each change, and change the text there; nothing is written to a file yet.

    `wheres` are files or programs ("app:Agent") to look into; without any, each change says whose it is.
    Raises StateError where a file is not there, or no text of Python.
    """
    made = Rewriting()
    moving = [change for change in changes if not change.stays]
    named = list(wheres) or list(dict.fromkeys(c.program for c in moving if c.program))
    if moving and not named:
        raise StateError("it does not say whose parameters these are: name the source file, or app:Agent")
    _hold(made, changes, [made.opened(where) for where in named])
    # Code is changed before the docstring in it.
    for change in sorted(moving, key=lambda change: is_docstring(change.path)):
        own = [change.program] if change.program and not wheres else named
        try:
            _apply(made, change, [made.opened(where) for where in own])
        except ValueError as error:
            made.refused[change.path] = str(error)
    return made


Looked = list[tuple[Path, str]]
"""Files, and the qualname in each that is meant, if any."""


def _hold(made: Rewriting, changes: Sequence[Change], looked: Looked) -> None:
    """Take the places of the parameters that stay, as far as they can be told."""
    paths = {change.path for change in changes}
    for change in changes:
        found = _found(made, change, looked) if change.stays else []
        begins = [spot for spot in found if _begins(spot.place, change, paths)]
        if len(begins) == 1:
            made.taken.setdefault(begins[0].key, change.path)


def _begins(place: Place, change: Change, paths: Set[str]) -> bool:
    """Whether a parameter that stays begins there, and none of the other paths."""
    fits = not place.path or place.fits(change.path)
    is_others = place.path != change.path and place.path in paths
    return fits and not is_others and (not change.dated or _holds(place, change.old))


def _apply(made: Rewriting, change: Change, looked: Looked) -> None:
    """Make one change; ValueError says why not."""
    spots = _found(made, change, looked)
    if not spots:
        raise ValueError(f"it does not stand in {', '.join(str(path) for path in dict(looked))}")
    spot = _chosen(change, spots, made)
    if spot is None:
        return
    made.taken[spot.key] = change.path
    if not _holds(spot.place, change.new):
        made.after[spot.file.path] = _edited(spot, change.new)
        made.written.append(change.path)


def _found(made: Rewriting, change: Change, looked: Looked) -> list[Spot]:
    return [
        spot
        for path, qualname in dict(looked).items()
        for spot in _spots(made.after[path], qualname, change, made.taken)
    ]


def _spots(file: SourceFile, qualname: str, change: Change, taken: Mapping[Any, str]) -> list[Spot]:
    """Where a parameter may stand in a file: by its path, else by its value alone."""
    try:
        places = places_of(file.text)
    except (SyntaxError, ValueError) as error:
        raise StateError(f"{file.path} does not parse: {error}") from error
    fitting = [place for place in places if place.fits(change.path)]
    owned = [place for place in fitting if _is_in(place, qualname, change.path)]
    if fitting or not change.dated:
        return [Spot(file, place) for place in owned or fitting]
    by_value = [Spot(file, place) for place in places if _holds(place, change.old)]
    return [spot for spot in by_value if not (spot.place.path and spot.key in taken)]


def _is_in(place: Place, qualname: str, path: str) -> bool:
    """Whether it is the class's own attribute or method, or the function itself."""
    whole = f"{place.owner}.{place.path}".strip(".")
    return bool(qualname) and f"{whole}.".startswith(f"{qualname}.") and path in (place.path, place.given)


def _chosen(change: Change, spots: list[Spot], made: Rewriting) -> Spot | None:
    """The one place that is meant; None where none is known, and all is as it should be."""
    wanted = [s for s in spots if not change.dated or _holds(s.place, change.old) or _is_ours(s, made)]
    if len(wanted) > 1:
        if all(_holds(spot.place, change.new) for spot in wanted):
            return None
        raise ValueError(f"it may stand at {' or '.join(map(str, wanted))}: which is meant cannot be told")
    if wanted and wanted[0].key not in made.taken:
        if wanted[0].place.problem and not _holds(wanted[0].place, change.new):
            raise ValueError(f"{wanted[0]}: {wanted[0].place.problem}")
        return wanted[0]
    if any(_holds(spot.place, change.new) for spot in spots):
        return None
    raise ValueError(_refusal(change, spots[0], made.taken))


def _refusal(change: Change, spot: Spot, taken: Mapping[Any, str]) -> str:
    """Why a change cannot be made at the place where it may stand."""
    if spot.key in taken:
        return f"{spot} is where {taken[spot.key]} begins too, and they differ now"
    if not spot.place.known:
        return f"{spot}: {spot.place.problem}"
    was = _short(change.old)
    return f"the file changed since: {spot} says {_short(spot.place.value)}, and it was {was}"


def _is_ours(spot: Spot, made: Rewriting) -> bool:
    """Whether it is the docstring of code that was just written."""
    file, kind, owner, path, nth = spot.key
    code = made.taken.get((file, CODE, owner, whose(path), nth))
    return kind == DOCSTRING and code in made.written


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
        if _like(encode(place.value), place.value) != place.value:
            raise ValueError(f"{spot}: JSON cannot say {_short(place.value)} as it is: change that yourself")
        manner, value = Manner.of(now, file.holds), _like(new, place.value)
        return manner.text(value) if isinstance(value, str) else manner.value(value)
    new = _lines(new)
    if not file.holds(new):
        raise ValueError(f"{file.path} is in {file.encoding}, which has not all characters of the new code")
    return "\n".join(_set_in(new, _margin(now))) if place.kind == CODE else str(new)


def _is_written(place: Place, other: Place, new: Any) -> bool:
    if other.key != place.key or not other.known:
        return False
    if place.kind == CODE:
        return ast.dump(ast.parse(other.value)) == ast.dump(ast.parse(new))
    return _holds(other, new)


def _places(file: SourceFile) -> tuple[Place, ...]:
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


def _lines(code: str) -> str:
    """Code with the line ends that Python reads it with."""
    return code.replace("\r\n", "\n").replace("\r", "\n")


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _holds(place: Place, value: Any) -> bool:
    if place.kind == DOCSTRING and isinstance(value, str):
        return spoken(place.value) == spoken(value)
    if place.kind in (CODE, LAMBDA):
        return isinstance(value, str) and place.value == _lines(value)
    try:
        return place.known and same(_ordered(encode(place.value), place), _ordered(value, place))
    except StateError:  # of bytes or numbers that JSON has none of
        return False


def _ordered(value: Any, place: Place) -> Any:
    """The elements of a set have no order, those of a list have."""
    found = isinstance(place.value, set) and isinstance(value, list)
    return sorted(value, key=json.dumps) if found else value


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
