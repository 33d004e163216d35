"""The TextGrad optimizer: critics along the recorded graph, then one question per parameter."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from optimizers.candidate import Proposal
from optimizers.effects import Propose
from optimizers.optimizer import Optimizer
from optimizers.policies.guard import Guard
from optimizers.proposers.ceilings import CEILINGS, Ceilings
from optimizers.proposers.textgrad import TextGradPrompt
from optimizers.step import Step
from tracelib.graph.parameter import Parameter
from tracelib.llm.model import Model
from tracelib.sandbox.confine import Choice


class TextGrad(Optimizer):
    """Improves each parameter from what critics of the calls that led from it to the output say.

    After Yuksekgonul et al. 2024 (arXiv 2406.07496): a step asks the model once per recorded edge towards a
    parameter and once per parameter, at most 8 questions at a time; `OptoPrime` asks once for all.
    `momentum` is how many of a parameter's gradients of earlier steps its question shows. `instruction` takes
    the place of the standing instruction, `critic` of what critics are told. The other arguments are those
    of `Optimizer`.

        optimizer = TextGrad(agent.parameters(), llm="gpt-4o-mini", momentum=3)
        optimizer.zero_feedback()
        optimizer.backward(agent("Hola, soy Juan."), "Greet in the user's own language.")
        print(optimizer.step())
    """

    def __init__(
        self,
        parameters: Iterable[Parameter[Any]] | Mapping[str, Parameter[Any]],
        llm: Model | Callable[..., Any] | str | None = None,
        objective: str | None = None,
        *,
        momentum: int = 0,
        memory_size: int = 0,
        sandbox: Choice = "auto",
        guards: Sequence[Guard] = (),
        instruction: str | None = None,
        critic: str | None = None,
        ceilings: Ceilings = CEILINGS,
        log_size: int = 100,
    ) -> None:
        prompt = partial(
            TextGradPrompt,
            objective=objective,
            instruction=instruction,
            ceilings=ceilings,
            momentum=momentum,
            critic=critic,
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
        self._reasons: deque[str] = deque(maxlen=momentum)

    def apply(self, proposal: Proposal) -> Step:
        """As of every optimizer; the gradients of a proposal that was applied are kept for the next."""
        step = super().apply(proposal)
        if step.updates:
            self._reasons.append(proposal.reason)
        return step

    def _request(self) -> Propose:
        return replace(super()._request(), notes=tuple(self._reasons))
