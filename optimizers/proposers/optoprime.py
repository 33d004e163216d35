"""OptoPrime: one question about all parameters, with the recorded graph as code-like text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from optimizers.proposers.suggestion import SuggestionPrompt


@dataclass(frozen=True)
class OptoPrimePrompt(SuggestionPrompt):
    """The proposer of OptoPrime, after Cheng, Nie and Swaminathan 2024 (arXiv 2406.16218).

    It shows everything: the program in code-like lines, values, errors, feedback, earlier attempts.
    """

    tag: ClassVar[str] = "optoprime"
