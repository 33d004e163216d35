"""The OPRO optimizer: earlier values with their scores, the best last, and no program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from optimizers.optimizer import Optimizer
from optimizers.policies.guard import Guard
from optimizers.proposers.ceilings import CEILINGS, Ceilings
from optimizers.proposers.opro import OproPrompt
from tracelib.graph.parameter import Parameter
from tracelib.llm.model import Model
from tracelib.sandbox.confine import Choice


class OPRO(Optimizer):
    """Improves parameters from the scores of the values they had.

    After Yang et al. 2023 (arXiv 2309.03409): each step asks the model once, with the `best` of the last
    `memory_size` rounds in ascending order of score and `exemplars` examples. Give `backward` a score, a
    number or a Feedback with one; rounds that have only words are shown in the order they came.
    `instruction` takes the place of the standing instruction. The other arguments are those of `Optimizer`.

        optimizer = OPRO(agent.parameters(), llm="gpt-4o-mini")
        for question, expected in examples:
            optimizer.zero_feedback()
            answer = agent(question)
            optimizer.backward(answer, float(answer == expected))
            optimizer.step()
    """

    def __init__(
        self,
        parameters: Iterable[Parameter[Any]] | Mapping[str, Parameter[Any]],
        llm: Model | Callable[..., Any] | str | None = None,
        objective: str | None = None,
        *,
        best: int = 20,
        exemplars: int = 3,
        memory_size: int = 100,
        sandbox: Choice = "auto",
        guards: Sequence[Guard] = (),
        instruction: str | None = None,
        ceilings: Ceilings = CEILINGS,
        log_size: int = 100,
    ) -> None:
        prompt = partial(
            OproPrompt,
            objective=objective,
            instruction=instruction,
            ceilings=ceilings,
            best=best,
            exemplars=exemplars,
        )
        super().__init__(
            parameters,
            prompt,
            llm,
            memory_size=memory_size,
            sandbox=sandbox,
            guards=guards,
            log_size=log_size,
        )
