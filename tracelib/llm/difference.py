"""How one question differs from another, for people: short texts word by word, long ones line by line."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

SHORT = 300
"""Characters up to which two texts of one line are compared by words."""
AROUND = 60
"""Characters that are shown before and after what differs within a longer line."""

BYTES = re.compile(r"[A-Za-z0-9+/=]{200,}")
"""What nobody reads: the bytes of an image, a sound or a file."""


def difference(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """What differs, field by field; `-` is what was recorded and `+` what is asked now."""
    before, after = dict(_fields(recorded)), dict(_fields(asked))
    told = []
    for name in dict.fromkeys([*before, *after]):
        old, new = (_json(side[name]) if name in side else None for side in (before, after))
        if old != new:
            told.append(_changed(name, *_shown(before, after, name)))
    return "\n".join(told)


def nearest(asked: str, recorded: list[str]) -> int:
    """Which of the recorded texts is most like the asked one; the first of several."""
    match = difflib.SequenceMatcher(None, autojunk=False)
    match.set_seq2(asked)
    likeness = []
    for text in recorded:
        match.set_seq1(text)
        likeness.append(match.quick_ratio())
    return likeness.index(max(likeness))


def _fields(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "model", told["model"]
    for nth, message in enumerate(told["messages"], 1):
        for key, value in message.items():
            yield f"message {nth}, {key}", value
    yield from told.get("params", {}).items()
    if "sample" in told:
        yield "sample", told["sample"]


def _shown(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> list[str | None]:
    """A field as text on both sides, None where there is none; in quotes where only its kind differs."""
    texts = [_text(side[name]) if name in side else None for side in (before, after)]
    return [_json(side[name]) for side in (before, after)] if texts[0] == texts[1] else texts


def _text(value: Any) -> str:
    """A value as people read it."""
    text = value if isinstance(value, str) else _json(value)
    return BYTES.sub(_digest, text)


def _digest(run: re.Match[str]) -> str:
    digest = hashlib.sha256(run[0].encode()).hexdigest()
    return f"{run[0][:20]}... ({len(run[0]):,} characters, sha256 {digest[:8]})"


def _json(value: Any) -> str:
    """A value as JSON has it, whatever the order of its names, on which no question depends."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)


def _changed(name: str, before: str | None, after: str | None) -> str:
    if before is not None and after is not None and "\n" not in before + after:
        shown = _apart(before, after)
        if max(map(len, shown)) <= SHORT:
            return f"{name}: {_by_words(*shown)}"
    old, new = ([] if text is None else text.split("\n") for text in (before, after))
    lines = list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]
    return "\n".join([f"{name}:", *(f"  {line}" for line in lines)])


def _apart(before: str, after: str) -> tuple[str, str]:
    """Two texts; where they are long, without what is the same at both ends, but for a little of it."""
    if max(len(before), len(after)) <= SHORT:
        return before, after
    start = max(0, _alike(before, after) - AROUND)
    end = max(0, _alike(before[:start:-1], after[:start:-1]) - AROUND)
    first, last = "..." if start else "", "..." if end else ""
    old, new = (first + text[start : len(text) - end] + last for text in (before, after))
    return old, new


def _alike(one: str, other: str) -> int:
    """How many characters two texts have in common from their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _by_words(before: str, after: str) -> str:
    """One text with what was taken away as `[-...-]` and what was added as `{+...+}`.

    >>> _by_words("Say hello in French.", "Say hello in German.")
    'Say hello in [-French-]{+German+}.'
    """
    old, new = (re.findall(r"\w+|\s+|[^\w\s]", text) for text in (before, after))
    told = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[a:b]), "".join(new[c:d])
        if kind == "equal":
            told.append(gone)
        else:
            told.append((f"[-{gone}-]" if gone else "") + (f"{{+{come}+}}" if come else ""))
    return "".join(told)
