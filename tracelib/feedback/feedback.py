"""Feedback: what was said about an output, as a value. Knows no graph."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any


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
        plain = getattr(said, "_data", said)
        return _from_plain(plain, source)

    @property
    def text(self) -> str:
        """The remarks, one under the other."""
        return "\n".join(str(remark) for remark in self.remarks)

    def __or__(self, other: Feedback) -> Feedback:
        if other is self or not other:
            return self
        if not self:
            return other
        known = set(self.remarks)
        fresh = tuple(r for r in other.remarks if r not in known)
        return Feedback(self.remarks + fresh, _common(self.score, other.score))

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


def _common(one: float | None, other: float | None) -> float | None:
    if one is None or one == other:
        return other
    return one if other is None else None


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
        joined = NOTHING
        for part in said:
            joined = joined | Feedback.of(part, source)
        return joined
    return Feedback((Remark(str(said), source),))


def _as_number(said: Any) -> float | None:
    """A finite number from int, float, bool or a numpy scalar; None for anything else."""
    if isinstance(said, (int, float)):
        number = float(said)
    elif type(said).__module__ == "numpy" and getattr(said, "ndim", None) == 0 and hasattr(said, "item"):
        item = said.item()
        if not isinstance(item, (int, float)):
            return None
        number = float(item)
    else:
        return None
    return number if math.isfinite(number) else None


def _from_mapping(said: Mapping[Any, Any], source: str) -> Feedback:
    words = next((said[key] for key in ("feedback", "remarks", "text") if key in said), None)
    if words is not None and set(said) <= {"score", "feedback", "remarks", "text"}:
        inner = Feedback.of(words, source)
        return Feedback(inner.remarks, _as_number(said.get("score")))
    text = json.dumps(dict(said), ensure_ascii=False, default=str)
    return Feedback((Remark(text, source),), _as_number(said.get("score")))
