"""Optuna's sampler over indices, by the extra `tracelib[optuna]`; the one place that imports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optimizers.policies.indices import Choice, Suggesting

try:
    import optuna
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "OptunaSampler needs optuna: pip install 'tracelib[optuna]'; Parzen() needs nothing", name=error.name
    ) from error


@dataclass(frozen=True)
class OptunaSampler:
    """Optuna's multivariate TPE, which MIPRO uses: Mipro(sampler=OptunaSampler()).

    Unlike `Parzen` it sees which options go together. Its choices follow from the seed; another version of
    optuna may choose otherwise, so a journal should be resumed with the one it was begun with.
    """

    startup: int = 10

    def start(self, sizes: Mapping[str, int], seed: int) -> Suggesting:
        return _Study(dict(sizes), _study(self.startup, seed))


@dataclass
class _Study:
    sizes: dict[str, int]
    study: optuna.Study
    asked: optuna.Trial | None = None
    scores: list[float] = field(default_factory=list)

    def suggest(self) -> Choice:
        self.asked = self.study.ask(
            {
                name: optuna.distributions.CategoricalDistribution(tuple(range(size)))
                for name, size in self.sizes.items()
            }
        )
        return {name: int(self.asked.params[name]) for name in self.sizes}

    def tell(self, choice: Choice, score: float | None) -> None:
        assert self.asked is not None, "it is told of what it suggested"
        # Optuna forgets trials that failed, and suggests them again: they are as poor as the poorest.
        self.study.tell(self.asked, min(self.scores, default=0.0) if score is None else score)
        self.scores += [] if score is None else [score]


def _study(startup: int, seed: int) -> optuna.Study:
    """A study in memory, without the line that optuna would write to the terminal about it."""
    sampler = optuna.samplers.TPESampler(n_startup_trials=startup, multivariate=True, seed=seed)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction="maximize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(before)
