"""Code edits: one question about functions, answered by whole sources or by replacements in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from optimizers.effects import Propose, Request
from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.suggestion import SuggestionPrompt
from tracelib.errors import ConstraintError

QUOTED = 80
"""Characters of a text that is looked for which a problem quotes."""


class Replacement(BaseModel, extra="forbid"):
    """A text that stands in the source once, and what to put in its place."""

    find: str = Field(min_length=1)
    replace: str


_REPLACEMENTS = TypeAdapter(list[Replacement])


@dataclass(frozen=True)
class CodePrompt(SuggestionPrompt):
    """Rewrites functions, as OptoPrime does with code (Cheng, Nie and Swaminathan 2024, arXiv 2406.16218).

    It offers the variables that are code, all of them where none is known to be. A suggestion is the whole
    source, or a list of replacements `{"find": ..., "replace": ...}`, each of a text that occurs exactly
    once at its turn. The parameters check syntax and signature.
    """

    tag: ClassVar[str] = "code"
    goal: ClassVar[str] = "Change the functions so that the outputs become what the feedback asks for."

    def offered(self, request: Request) -> tuple[str, ...]:
        """The functions among the names."""
        names = super().offered(request)
        return tuple(name for name in names if self._is_code(name, request)) or names

    def changed(self, name: str, suggested: Any, request: Propose) -> Any:
        """The source with the replacements made."""
        present = request.candidate.values[name]
        if isinstance(suggested, list) and isinstance(present, str):
            return _replaced(present, suggested)
        return suggested

    def _is_code(self, name: str, request: Request) -> bool:
        if name in self.parameters:
            return self.parameters[name].is_code
        graphs = [rollout.evidence for rollout in request.evidence if rollout.evidence is not None]
        return any(one.is_code for graph in graphs for one in graph.variables if one.name == name)


def _replaced(source: str, suggested: list[Any]) -> str:
    try:
        replacements = _REPLACEMENTS.validate_python(suggested, strict=True)
    except ValidationError as error:
        raise ConstraintError(
            'it is neither a whole source nor a list of {"find": "...", "replace": "..."}'
        ) from error
    for one in replacements:
        count = source.count(one.find)
        if count != 1:
            quoted = str(Excerpt.of(repr(one.find), QUOTED))
            raise ConstraintError(f"{quoted} occurs {count} times in the source, it must occur once")
        source = source.replace(one.find, one.replace)
    return source
