"""What a metric said, as a score, its named parts and feedback. Knows no program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from statistics import fmean
from typing import Any

from tracelib.errors import OptimizerError
from tracelib.feedback.feedback import Feedback
from tracelib.graph.containers import plain

RETURNS = "a metric returns a number, a bool, a dict of numbers, or Feedback(remarks, score)"


class NoMeasure(OptimizerError):  # noqa: N818 - says what a metric's result lacks
    """A metric returned something without a score."""


@dataclass(frozen=True)
class Measure:
    """One metric result: the score (higher is better), the named scores of a dict, and what was said.

    `bare` when nothing was said beside numbers.
    """

    score: float
    feedback: Feedback
    scores: Mapping[str, float] = field(default_factory=dict)
    bare: bool = False


def measured(said: Any) -> Measure:
    """The measure in what a metric returned; raises NoMeasure when it has no finite score.

    The score of a dict is its entry "score", else the mean of its numbers; text in it is feedback. A
    pair (number, text) is a score with a remark.

    >>> measured({"recall": 1.0, "precision": 0.5}).score
    0.75
    """
    said = plain(said)
    if isinstance(said, Mapping):
        return _of_mapping(said)
    if isinstance(said, tuple) and len(said) == 2:
        score, remark = said
        return _of_feedback(replace(Feedback.of(remark), score=Feedback.of(score).score), said)
    measure = _of_feedback(Feedback.of(said), said)
    return measure if isinstance(said, Feedback) else replace(measure, bare=_number(said) is not None)


def _of_feedback(feedback: Feedback, said: Any) -> Measure:
    if feedback.score is None or not isfinite(feedback.score):
        raise NoMeasure(f"the metric returned {said!r:.200}, which has no score: {RETURNS}")
    return Measure(float(feedback.score), feedback)


def _of_mapping(said: Mapping[str, Any]) -> Measure:
    numbers = {str(name): _number(value) for name, value in said.items()}
    scores = {name: number for name, number in numbers.items() if number is not None}
    if not scores or not all(map(isfinite, scores.values())):
        raise NoMeasure(f"the metric returned {said!r:.200}, which has no score: {RETURNS}")
    score = scores["score"] if "score" in scores else fmean(scores.values())
    feedback = replace(Feedback.of(dict(said)), score=score)
    return Measure(score, feedback, scores, bare=len(scores) == len(said))


def _number(value: Any) -> float | None:
    if isinstance(value, str) or value is None:
        return None
    return float(value) if isinstance(value, int | float) else Feedback.of(value).score
