"""A gate for examples that may not get worse, whatever is gained on others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from optimizers.policies.gate import Gate, Strict, Verdict
from optimizers.policies.standing import by_example
from optimizers.rollout import Rollout


@dataclass(frozen=True)
class Anchored:
    """Judges as `gate` does, but refuses what loses more than `margin` on an anchor, or fails there.

    `anchors` are places in the split; rollouts of other splits are judged by the gate alone. An anchor
    on which the old candidate failed too holds nobody back.
    """

    anchors: Collection[int]
    gate: Gate = field(default_factory=Strict)
    margin: float = 0.0
    split: str = "validation"

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout]) -> Verdict:
        before, after = (by_example(one for one in runs if one.split == self.split) for runs in (old, new))
        for example in sorted(set(self.anchors) & before.keys() & after.keys()):
            lost = _lost(before[example], after[example], self.margin)
            if lost:
                return Verdict(False, f"anchor {example} of {self.split} {lost}")
        return self.gate.judge(old, new)


def _lost(before: float | None, after: float | None, margin: float) -> str:
    if before is None or (after is not None and after >= before - margin):
        return ""
    return f"fails now, it scored {before:.4g}" if after is None else f"fell from {before:.4g} to {after:.4g}"
