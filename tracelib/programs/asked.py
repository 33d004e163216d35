"""Who is asked by a program, and how; knows no prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tracelib.llm.model import Model, as_model, with_client
from tracelib.programs.question import FORMATS


@dataclass
class Known:
    """What is known of who is asked: the model, once there is one, and the formats it does not refuse."""

    model: Model | None = None
    formats: list[str] = field(default_factory=lambda: list(FORMATS))

    def __reduce__(self) -> Any:
        return Known, ()  # another process finds out for itself


@dataclass(frozen=True)
class Asked:
    """Who is asked, and how: `client` is an openai client or a callable, `params` go with every question.

    `known` is shared by all that ask the same model, so that connections stay open.
    """

    model: Any = None
    client: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    raw: bool = False
    known: Known = field(default_factory=Known, compare=False, repr=False)

    def using(
        self, model: Any = None, client: Any = None, api_params: Mapping[str, Any] | None = None
    ) -> Asked:
        """The same, with what is given here in the place of what was said before.

        A client stays for another name; a Model or a callable is asked itself.
        """
        params = {**self.params, **(api_params or {})}
        told = params.pop("model", None) if model is None else model
        if told is None and client is None:
            return replace(self, params=params)
        kept = self.client if told is None or isinstance(told, str) else None
        return Asked(self.model if told is None else told, client or kept, params, self.raw)

    @property
    def told(self) -> dict[str, Any]:
        """What a version keeps: the model's name, if it has one, and the parameters."""
        return {**({"model": self.model} if isinstance(self.model, str) else {}), **self.params}

    def found(self) -> Model:
        """The model itself; made at the first question, so that defining a program needs no key."""
        made = self.known.model
        if made is None:
            made = as_model(self.model) if self.client is None else with_client(self.client, self.model)
            self.known.model = made
        return made
