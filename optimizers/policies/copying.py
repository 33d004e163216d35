"""A guard against proposals that learn examples by heart: how much of a new text stands in them verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optimizers.effects import Propose
from optimizers.evidence.display import raw
from optimizers.evidence.excerpt import Excerpt

QUOTED = 120
"""Characters of the longest copied passage that a problem quotes."""
EXAMPLE = 100_000
"""Characters of an example that are compared."""
_WORD = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
"""A word; in scripts that are written without spaces, a character."""

_ESCAPE = re.compile(r'\\[nrt"]')
"""How line breaks and quotes stand in a text that is shown quoted."""


@dataclass(frozen=True)
class NoCopy:
    """Refuses a text of which more than `share` is copied from the examples.

    The share is that of the runs of `n` words that stand verbatim in an input, an output or what the program
    returned, in the evidence of the proposal or in `examples`: give it your training examples, with what is
    expected of them, in whatever form they have. Case and punctuation do not count, nor does what the old
    value had already. Only texts are looked at: a list of worked examples is meant to hold them.
    """

    share: float = 0.2
    n: int = 6
    examples: Sequence[Any] = ()

    def problem(self, path: str, value: Any, request: Propose) -> str | None:
        """How much of the text is copied, and the longest passage."""
        if not isinstance(value, str):
            return None
        words = _WORD.findall(value)
        known = self._runs(_seen(request)) | self._given
        known -= self._runs([str(request.candidate.values.get(path, ""))])
        copied = [run in known for run in self._runs_in(words)]
        if not copied or sum(copied) / len(copied) <= self.share:
            return None
        passage = str(Excerpt.of(self._longest(words, copied), QUOTED))
        return (
            f"{path} copies from the examples: {sum(copied) / len(copied):.0%} of it stands there verbatim, "
            f"such as {passage!r}. Say it for inputs not seen here"
        )

    @cached_property
    def _given(self) -> set[tuple[str, ...]]:
        return self._runs(str(raw(one, EXAMPLE)) for one in self.examples)

    def _runs(self, texts: Iterable[str]) -> set[tuple[str, ...]]:
        return {run for text in texts for run in self._runs_in(_WORD.findall(_ESCAPE.sub(" ", text)))}

    def _runs_in(self, words: Sequence[str]) -> list[tuple[str, ...]]:
        """All runs of n words, in order; of a text with fewer words none."""
        lower = [word.casefold() for word in words]
        return [tuple(lower[start : start + self.n]) for start in range(len(lower) - self.n + 1)]

    def _longest(self, words: Sequence[str], copied: Sequence[bool]) -> str:
        best, start = (0, 0), None
        for place, is_copy in enumerate([*copied, False]):
            if is_copy and start is None:
                start = place
            elif not is_copy and start is not None:
                best, start = max(best, (place - start, -start)), None
        first = -best[1]
        return " ".join(words[first : first + best[0] + self.n - 1])


def _seen(request: Propose) -> Iterable[str]:
    """What the proposer saw of the examples' inputs and outputs."""
    for rollout in request.evidence:
        yield rollout.output
        if rollout.evidence is not None:
            for value in (*rollout.evidence.inputs, *rollout.evidence.outputs):
                yield from (value.text.head, value.text.tail)
