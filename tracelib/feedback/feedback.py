"""Feedback: what was said about an output, as a value."""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tracelib.graph.containers import plain


@dataclasses.dataclass(frozen=True)
class Remark:
    """One thing said; `source` tells who said it or about which example."""

    text: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.source}: {self.text}" if self.source else self.text


@dataclasses.dataclass(frozen=True)
class Feedback:
    """Ordered remarks, each once, and perhaps a score (higher is better).

    `a | b` says both: a's remarks first, then those of b that a has not; the score is kept where
    only one has one or both agree.
    """

    remarks: tuple[Remark, ...] = ()
    score: float | None = None

    @classmethod
    def of(cls, said: Any, source: str = "") -> Feedback:
        """Feedback from whatever a user has: text, number, bool, dict, dataclass, numpy scalar...

        A number is a score and a remark; a mapping or dataclass with `score` and `feedback` or
        `remarks` keys gives both; anything else is its text.
        """
        if isinstance(said, cls):
            return said
        if isinstance(said, Remark):
            return cls((said,))
        return _from_plain(plain(said), source)

    @classmethod
    def joined(cls, parts: Iterable[Feedback]) -> Feedback:
        """All parts in one, `a | b | c`, in time linear in their remarks."""
        found = list({id(part): part for part in parts if part}.values())
        if len(found) < 2:
            return found[0] if found else NOTHING
        scores = {part.score for part in found if part.score is not None}
        remarks = dict.fromkeys(remark for part in found for remark in part.remarks)
        return cls(tuple(remarks), scores.pop() if len(scores) == 1 else None)

    @property
    def text(self) -> str:
        """The remarks, one under the other."""
        return "\n".join(str(remark) for remark in self.remarks)

    def __or__(self, other: Feedback) -> Feedback:
        return Feedback.joined((self, other))

    def __bool__(self) -> bool:
        return bool(self.remarks) or self.score is not None

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `from_json` reads."""
        return {"remarks": [[r.text, r.source] for r in self.remarks], "score": self.score}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Feedback:
        """What `to_json` wrote."""
        return cls(tuple(Remark(text, source) for text, source in value["remarks"]), value["score"])


NOTHING = Feedback()
joined = Feedback.joined


def _from_plain(said: Any, source: str) -> Feedback:
    if said is None:
        return NOTHING
    if isinstance(said, str):
        return Feedback((Remark(str.__str__(said) if type(said) is not str else said, source),))
    number = _as_number(said)
    if number is not None:
        return Feedback((Remark(f"score: {said}", source),), number)
    if dataclasses.is_dataclass(said) and not isinstance(said, type):
        return _from_mapping({f.name: getattr(said, f.name) for f in dataclasses.fields(said)}, source)
    if isinstance(said, Mapping):
        return _from_mapping(said, source)
    if isinstance(said, (list, tuple)):
        return Feedback.joined([Feedback.of(part, source) for part in said])
    return Feedback((Remark(str(said), source),))


def _as_number(said: Any) -> float | None:
    """A finite number from any real number, a Decimal or a numpy scalar; None for anything else."""
    if type(said).__module__ == "numpy" and getattr(said, "ndim", None) == 0 and hasattr(said, "item"):
        said = said.item()
    if not isinstance(said, (numbers.Real, Decimal)):
        return None
    try:
        number = float(said)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _from_mapping(said: Mapping[Any, Any], source: str) -> Feedback:
    words = next((said[key] for key in ("feedback", "remarks", "text") if key in said), None)
    if words is not None and set(said) <= {"score", "feedback", "remarks", "text"}:
        inner = Feedback.of(words, source)
        return Feedback(inner.remarks, _as_number(said.get("score")))
    return Feedback((Remark(_as_text(dict(said)), source),), _as_number(said.get("score")))


def _as_text(said: dict[Any, Any]) -> str:
    try:
        return json.dumps(said, ensure_ascii=False, default=str)
    except (TypeError, ValueError):  # keys that JSON has not, or a dict that holds itself
        return str(said)
