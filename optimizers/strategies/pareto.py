"""Pareto search: parents from the per-example fronts, minibatch gate, merges of front members."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.fronts import Frontier
from optimizers.policies.gate import Gate
from optimizers.policies.merging import Merges, holds, subsample
from optimizers.policies.objectives import By, Objective, Score
from optimizers.policies.picking import Picking, RoundRobin
from optimizers.policies.pool import Pool
from optimizers.policies.sampling import minibatches
from optimizers.policies.standing import perfect
from optimizers.proposers.merge import Merge
from optimizers.proposers.reflection import ReflectionPrompt
from optimizers.roles import Maker


@dataclass(frozen=True)
class Pareto:
    """GEPA (Agrawal et al. 2025, arXiv 2507.19457): reflective search over Pareto fronts.

    The parent is drawn by how often it is the best of an example of validation; what a proposal made of
    one of its parameters must pass the gate on the parent's minibatch, then it runs on validation and
    joins the pool. After each that joined, two members of the front may be merged, `merges` times at
    most. Calls per step: 1; runs: 2 * batch, and validation when the gate accepts.

    `frontier` says what there are fronts for, `names` which numbers count there; `objective` compares
    candidates. `gate` is what a proposal must pass on the minibatch; None: to be better by the objective.
    `perfect` is the score at which a minibatch has nothing to teach, None if there is none.
    """

    batch: int = 3
    steps: int = 50
    merges: int = 5
    frontier: Frontier = "example"
    names: Sequence[str] = ()
    objective: Objective = field(default_factory=Score)
    gate: Gate | None = None
    picking: Picking = field(default_factory=RoundRobin)
    perfect: float | None = 1.0
    proposers: Mapping[str, Maker] = field(default_factory=lambda: {"": ReflectionPrompt, "merge": Merge})
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        everything = tuple(range(validation))
        pool, gate = Pool(self.frontier, self.names, self.objective), self.gate or By(self.objective)
        pool.add(seed, (yield Evaluate(seed, "validation", everything)))
        batches, merges = minibatches(train, self.batch, rng), Merges(self.merges)
        picker = self.picking.picker()
        for step in range(self.steps):
            pair = merges.next(pool, rng)
            if pair is not None:
                kid = yield pair.request(step, pool)
                if not isinstance(kid, Candidate) or kid in pool:
                    continue
                accepted = holds(pool, pair, (yield Evaluate(kid, "validation", subsample(pool, pair, rng))))
            else:
                parent = pool.parent(rng)
                old = yield Evaluate(parent, "train", next(batches), evidence=True)
                if perfect(old, self.perfect):
                    continue
                names = picker.pick(parent, old, rng)
                kid = yield Propose(parent, old, step, names=names)
                if not isinstance(kid, Candidate) or kid in pool:
                    picker.learn(parent, names, None)
                    continue
                new = yield Evaluate(kid, "train", tuple(one.example for one in old), evidence=True)
                accepted = merges.due = gate.judge(old, new).accepted
                picker.learn(parent, names, kid if accepted else None, new)
            if accepted:
                pool.add(kid, (yield Evaluate(kid, "validation", everything)))
        return pool.best()
