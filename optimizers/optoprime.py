"""The OptoPrime optimizer: one model call per step for all parameters, with the recorded graph as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from optimizers.optimizer import Optimizer
from optimizers.policies.guard import Guard
from optimizers.proposers.ceilings import CEILINGS, Ceilings
from optimizers.proposers.optoprime import OptoPrimePrompt
from tracelib.graph.parameter import Parameter
from tracelib.llm.model import Model
from tracelib.sandbox.confine import Choice


class OptoPrime(Optimizer):
    """Improves all parameters at once from recorded runs and what was said about them.

    After Cheng, Nie and Swaminathan 2024 (arXiv 2406.16218): each step asks the model once (twice when
    the first reply cannot be used), however many parameters and examples there are. `objective` is the
    goal in the user's words. `instruction` takes the place of the standing instruction, `ceilings` are
    the characters that each section of the prompt may take. The other arguments are those of `Optimizer`.

        optimizer = OptoPrime(agent.parameters(), llm="gpt-4o-mini")
        optimizer.zero_feedback()
        optimizer.backward(agent("Hola, soy Juan."), "Greet in the user's own language.")
        print(optimizer.step())
    """

    def __init__(
        self,
        parameters: Iterable[Parameter[Any]] | Mapping[str, Parameter[Any]],
        llm: Model | Callable[..., Any] | str | None = None,
        objective: str | None = None,
        memory_size: int = 0,
        sandbox: Choice = "auto",
        *,
        guards: Sequence[Guard] = (),
        instruction: str | None = None,
        ceilings: Ceilings = CEILINGS,
        log_size: int = 100,
    ) -> None:
        prompt = partial(OptoPrimePrompt, objective=objective, instruction=instruction, ceilings=ceilings)
        super().__init__(
            parameters,
            prompt,
            llm,
            memory_size=memory_size,
            sandbox=sandbox,
            guards=guards,
            log_size=log_size,
        )
