"""Instructions and demonstrations, proposed once; a sampler then searches their combinations."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from optimizers.candidate import Candidate, Rejected, canonical
from optimizers.effects import Consult, Evaluate, Propose, Steps
from optimizers.policies.arms import Arms
from optimizers.policies.indices import Parzen, Sampler
from optimizers.policies.sampling import minibatches, sample_of
from optimizers.policies.standing import standing
from optimizers.proposers.instruction import TIPS, DataSummary, InstructionPrompt, ProgramDescription
from optimizers.roles import Maker
from optimizers.rollout import Rollout
from optimizers.strategies.bootstrap import any_run
from optimizers.strategies.champion import Champion

Options = dict[str, list[Any]]


@dataclass(frozen=True)
class Mipro:
    """MIPRO (Opsahl-Ong et al. 2024, arXiv 2406.11695), version 2.

    The program runs on `bootstrap` examples of train. For each parameter that holds a list `options` - 1
    sets of demonstrations are made from the runs that scored `threshold` or more (kind "demos"), for each
    other one as many instructions (kind "instruct", told a summary of the data, a description of the
    program and a tip). Then `trials` combinations run on a minibatch each, as the sampler suggests; after
    every `every` of them the best mean that was not there yet meets validation.

    Calls: those of the kinds "data" and "program", and (options - 1) per parameter that is no list; runs:
    bootstrap + trials * batch, and validation for every `every`-th trial.
    """

    options: int = 6
    trials: int = 30
    batch: int = 35
    every: int = 5
    bootstrap: int = 16
    threshold: float = 1.0
    tips: Sequence[str] = tuple(TIPS.values())
    sampler: Sampler = field(default_factory=Parzen)
    proposers: Mapping[str, Maker] = field(
        default_factory=lambda: {
            "instruct": InstructionPrompt,
            "data": DataSummary,
            "program": ProgramDescription,
            "demos": any_run,
        }
    )
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        champion, arms = Champion(seed, validation), Arms()
        yield from champion.meet(seed)
        seen = yield Evaluate(seed, "train", sample_of(train, self.bootstrap, rng), evidence=True)
        options = yield from self._options(seed, seen, rng)
        if not options:
            return seed
        sizes = {name: len(found) for name, found in options.items()}
        search = self.sampler.start(sizes, rng.getrandbits(32))
        batches = minibatches(train, self.batch, rng)
        for trial in range(1, self.trials + 1):
            choice = search.suggest()
            changes = {name: options[name][place] for name, place in choice.items()}
            note = ", ".join(f"option {place} of {name}" for name, place in choice.items())
            kid = seed.edit(changes, note)
            (rollouts,) = yield from arms.run([kid], next(batches))
            search.tell(choice, standing(rollouts).mean)
            if trial % self.every == 0 or trial == self.trials:
                fresh = [one for one in arms.best(len(arms)) if one.id not in champion.met]
                yield from champion.meet([*fresh, seed][0])
        return champion.best

    def _options(
        self, seed: Candidate, seen: tuple[Rollout, ...], rng: random.Random
    ) -> Generator[list[Consult] | list[Propose], Any, Options]:
        """What each parameter may be, its present value first; only those that have a choice."""
        lists = [name for name, value in seed.values.items() if isinstance(value, list)]
        texts = [name for name in seed.values if name not in lists]
        advice = (yield [Consult(seed, kind, seen) for kind in ("data", "program")]) if texts else ()
        said = [given.texts[0] if given.texts else "" for given in advice]
        good = tuple(one for one in seen if one.score is not None and one.score >= self.threshold)
        asked = [
            Propose(seed, good, n, names=(name,), kind="demos") for name in lists for n in self._others()
        ]
        for name in texts:
            notes = [(*said, rng.choice(self.tips)) for _ in self._others()]
            asked += [
                Propose(seed, seen, n, names=(name,), kind="instruct", notes=notes[n]) for n in self._others()
            ]
        return options_of(seed, asked, (yield asked))

    def _others(self) -> range:
        return range(self.options - 1)


def options_of(seed: Candidate, asked: list[Propose], made: list[Candidate | Rejected]) -> Options:
    """The values proposed for each parameter, each once, behind its present one; those with more than one."""
    found: dict[str, dict[str, Any]] = {name: {canonical(old): old} for name, old in seed.values.items()}
    for request, kid in zip(asked, made, strict=True):
        if isinstance(kid, Candidate):
            (name,) = request.names
            found[name].setdefault(canonical(kid.values[name]), kid.values[name])
    return {name: list(values.values()) for name, values in found.items() if len(values) > 1}
