"""What changed between two versions: in one line of words, as a unified diff, and marked word by word.

It reads stored versions only: the files they came from may be gone.
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from tracelib.parsing import parsed
from tracelib.versioning.canonical import canonical
from tracelib.versioning.marks import Line, marked_lines
from tracelib.versioning.version import Part, Version

LONGEST = 40
"""Characters of a constant or docstring that a summary quotes."""
MOST = 12
"""Changes that a summary names; the rest is counted."""


@dataclass(frozen=True)
class Change:
    """One thing that is different, in words: `clean` changed: constant 'a' -> 'b'."""

    name: str
    kind: str
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Difference:
    """How one version became another; `old` is None for a first version."""

    old: Version | None
    new: Version
    changes: tuple[Change, ...]

    @property
    def summary(self) -> str:
        """One line, the same on every machine: the commit message when nobody writes another."""
        if self.old is None:
            return _initial(self.new)
        words = [change.words for change in self.changes[:MOST]]
        if len(self.changes) > MOST:
            words.append(f"{len(self.changes) - MOST} more changes")
        return "; ".join(words) or "no difference"

    @property
    def unified(self) -> str:
        """The unified diff of the two closures; empty when they are written the same."""
        before = [] if self.old is None else self.old.closure.splitlines(keepends=True)
        after = self.new.closure.splitlines(keepends=True)
        old_name = "/dev/null" if self.old is None else f"{self.old.name} {_short(self.old)}"
        return "".join(difflib.unified_diff(before, after, old_name, f"{self.new.name} {_short(self.new)}"))

    @property
    def marked(self) -> tuple[Line, ...]:
        """The lines of the diff, each cut into words that stayed, went or came."""
        return marked_lines("" if self.old is None else self.old.closure, self.new.closure)

    def __bool__(self) -> bool:
        return self.old is None or self.old.hash != self.new.hash


def difference(old: Version | None, new: Version) -> Difference:
    """How `old` became `new`; without `old`, the first version of a name."""
    if old is None:
        return Difference(None, new, ())
    return Difference(old, new, tuple(_changes(old, new)))


def _short(version: Version) -> str:
    return version.hash[:11]


def _initial(version: Version) -> str:
    parts = [part for part in version.parts[1:] if part.kind != "import"]
    names = [f"`{part.name}`" for part in parts[:5]]
    if len(parts) > 5:
        names.append(f"{len(parts) - 5} more")
    words = f"Initial version of {version.qualname}"
    words += f": uses {', '.join(names)}" if names else ": uses nothing else"
    if version.libraries:
        words += "; needs " + ", ".join(f"{name} {release}" for name, release in version.libraries.items())
    return words


def _changes(old: Version, new: Version) -> Iterator[Change]:
    if old.hash == new.hash:
        if old.name != new.name:
            yield Change(new.name, "moved", f"same code, now `{new.name}`")
        return
    if old.qualname != new.qualname:
        yield Change(new.qualname, "renamed", f"renamed from `{old.qualname}` to `{new.qualname}`")
    yield from _of_parts(old, new)
    yield from _of_libraries(old, new)


def _of_parts(old: Version, new: Version) -> Iterator[Change]:
    """Pairs of parts that have the same name, the function itself first; the rest came or went."""
    pairs, gone, come = _paired(old, new)
    found = [change for was, now in pairs if was.digest != now.digest for change in _of_pair(was, now)]
    found += [Change(p.name, "added", f"{_noun(p)} `{p.name}` added{_valued(p)}") for p in come]
    found += [Change(p.name, "removed", f"{_noun(p)} `{p.name}` removed") for p in gone]
    if not found and _shape(old) != _shape(new):
        found = [Change(new.qualname, "uses", "the same definitions, used in another way")]
    if not found and old.libraries == new.libraries:
        found = [Change(new.qualname, "written", "what its names stand for changed")]
    yield from found


def _paired(old: Version, new: Version) -> tuple[list[tuple[Part, Part]], list[Part], list[Part]]:
    left = list(old.parts[1:])
    pairs = [(old.parts[0], new.parts[0])] if old.parts and new.parts else []
    come = []
    for part in new.parts[1:]:
        was = next((p for p in left if (p.name, p.module) == (part.name, part.module)), None)
        was = was or next((p for p in left if p.name == part.name), None)
        if was is None:
            come.append(part)
        else:
            left.remove(was)
            pairs.append((was, part))
    return pairs, left, come


def _shape(version: Version) -> list[tuple[str, tuple[str, ...]]]:
    return [(part.name, part.uses) for part in version.parts]


def _noun(part: Part) -> str:
    nouns = {"function": "helper", "class": "class", "import": "import", "constant": "constant"}
    return nouns.get(part.kind, "value")


def _valued(part: Part) -> str:
    value = _value(part)
    return f" = {value}" if part.kind == "constant" and value else ""


def _value(part: Part) -> str:
    """The right side of a constant as it is written."""
    return _cut(_right_side(part))


def _right_side(part: Part) -> str:
    return " ".join(part.text.partition("=")[2].split())


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _of_pair(was: Part, now: Part) -> Iterator[Change]:
    if was.kind == now.kind == "constant":
        old, new = _right_side(was), _right_side(now)
        words = f"`{now.name}` {' -> '.join(_parted(old, new))}"
        if old == new:
            words = f"`{now.name}` changed beyond what is shown"
        yield Change(now.name, "constant", words)
        return
    if was.kind == now.kind == "import":
        return
    told = list(_of_text(was, now))
    if was.kind != now.kind:
        told.insert(0, f"was a {was.kind}, is a {now.kind}")
    yield Change(now.name, "changed", f"`{now.name}` changed: {', '.join(told) or 'its code'}")


def _of_text(was: Part, now: Part) -> Iterator[str]:
    """What changed inside a definition, read from the two syntax trees."""
    try:
        before, after = parsed(was.text), parsed(now.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    yield from _docstrings(before, after)
    _without_docstrings(before)
    _without_docstrings(after)
    yield from _signatures(before, after)
    yield from _leaves(before, after)


def _definitions(tree: ast.Module) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """The definitions of a text by their dotted names, those at the top and in classes."""
    found = {}
    waiting: list[tuple[str, ast.AST]] = [("", node) for node in tree.body]
    while waiting:
        prefix, node = waiting.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[prefix + node.name] = node
            if isinstance(node, ast.ClassDef):
                waiting += [(f"{prefix}{node.name}.", inner) for inner in node.body]
    return found


def _docstrings(before: ast.Module, after: ast.Module) -> Iterator[str]:
    old, new = _definitions(before), _definitions(after)
    for name in [name for name in new if name in old]:
        was, now = ast.get_docstring(old[name]), ast.get_docstring(new[name])
        where = f"docstring of {name}" if "." in name else "docstring"
        if was == now:
            continue
        if was is None or now is None:
            yield f"{where} {'added' if was is None else 'removed'}"
        else:
            yield f"{where} {_quoted(was, now)}"


def _quoted(was: str, now: str) -> str:
    """Two texts in quotes, cut to where they part."""
    parted = _parted(" ".join(inspect.cleandoc(was).split()), " ".join(inspect.cleandoc(now).split()))
    return " -> ".join(f'"{text}"' for text in parted)


def _parted(a: str, b: str) -> tuple[str, str]:
    """Two texts, long ones from a little before the place where they part."""
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, start - 10) if max(len(a), len(b)) > LONGEST else 0
    lead = "…" if start else ""
    return lead + _cut(a[start:]), lead + _cut(b[start:])


def _without_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]


def _signatures(before: ast.Module, after: ast.Module) -> Iterator[str]:
    old, new = _definitions(before), _definitions(after)
    for name in [name for name in new if name in old]:
        was, now = old[name], new[name]
        if isinstance(was, ast.ClassDef) or isinstance(now, ast.ClassDef):
            continue
        where = f"signature of {name}" if "." in name else "signature"
        words = _signature_words(was, now)
        if words:
            yield f"{where} {words}"
        now.args, now.returns = was.args, was.returns


def _signature_words(
    was: ast.FunctionDef | ast.AsyncFunctionDef, now: ast.FunctionDef | ast.AsyncFunctionDef
) -> str:
    if canonical(filter(None, (was.args, was.returns))) == canonical(filter(None, (now.args, now.returns))):
        return ""
    try:
        return " -> ".join(_parted(_signature(was), _signature(now)))
    except RecursionError:  # an expression nested deeper than Python prints
        return "changed"


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){returns}"


def _leaves(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """Constants and names that were exchanged; where more than those changed, how many lines did."""
    if canonical(before.body) == canonical(after.body):
        return
    old, new = list(_walked(before)), list(_walked(after))
    if [type(n) for n in old] == [type(n) for n in new]:
        told = dict.fromkeys(filter(None, map(_exchanged, old, new)))
        if told:
            yield from list(told)[:4]
            if len(told) > 4:
                yield f"{len(told) - 4} more"
            return
    yield from _by_lines(before, after)


def _walked(tree: ast.AST) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def _exchanged(was: ast.AST, now: ast.AST) -> str:
    if isinstance(was, ast.Constant) and isinstance(now, ast.Constant):
        if type(was.value) is not type(now.value) or was.value != now.value:
            return f"constant {' -> '.join(_parted(repr(was.value), repr(now.value)))}"
        return ""
    if isinstance(was, (ast.operator, ast.cmpop, ast.unaryop, ast.boolop)):
        return ""
    for field in ("id", "attr", "name", "arg", "module"):
        a, b = getattr(was, field, None), getattr(now, field, None)
        if isinstance(a, str) and isinstance(b, str) and a != b:
            return f"{a} -> {b}"
    return ""


def _by_lines(before: ast.Module, after: ast.Module) -> Iterator[str]:
    try:
        old, new = (ast.unparse(tree).split("\n") for tree in (before, after))
    except RecursionError:  # an expression nested deeper than Python prints
        old, new = [], []
    steps = list(difflib.ndiff(old, new)) if len(old) + len(new) < 2_000 else []
    gone = [s[2:].strip() for s in steps if s.startswith("- ")]
    come = [s[2:].strip() for s in steps if s.startswith("+ ")]
    if len(gone) == len(come) == 1:
        yield f"`{_cut(gone[0])}` -> `{_cut(come[0])}`"
    elif not steps:
        yield "its code"
    else:
        yield f"{len(come)} line{'s' * (len(come) != 1)} in, {len(gone)} out"


def _of_libraries(old: Version, new: Version) -> Iterator[Change]:
    for name in sorted({*old.libraries, *new.libraries}):
        was, now = old.libraries.get(name), new.libraries.get(name)
        if was == now:
            continue
        if was is None:
            words = f"{name} {now} needed"
        elif now is None:
            words = f"{name} no longer needed"
        else:
            words = f"{name} {was} -> {now}"
        yield Change(name, "library", words)
