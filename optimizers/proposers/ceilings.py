"""How much room each kind of section has in a question, in characters or in tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import chain, islice

from optimizers.evidence.excerpt import Excerpt, fair_shares
from optimizers.proposers.sections import Entry, fit, within
from optimizers.proposers.tokens import token_bound


@dataclass(frozen=True)
class Ceilings:
    """Characters that each kind of section may take in one prompt, over all its examples.

    All but `variables`, `earlier` and `advice` together come to 16,000. `examples` is a number of
    examples; those beyond it are counted, not shown. With `count` the ceilings are in what it counts.
    """

    program: int = 4_500
    documentation: int = 1_500
    variables: int = 40_000
    notes: int = 1_500
    inputs: int = 2_000
    others: int = 2_000
    outputs: int = 1_500
    errors: int = 1_500
    feedback: int = 3_000
    earlier: int = 4_000
    advice: int = 4_000
    examples: int = 12
    count: Callable[[str], int] | None = None

    @classmethod
    def in_tokens(cls, count: Callable[[str], int] = token_bound, **ceilings: int) -> Ceilings:
        """Ceilings in tokens: those given, and for the other sections a quarter of their characters.

        `count` gives the tokens of a text. The default, `token_bound`, holds for every tokenizer and
        shows a quarter of what would fit in English; give your model's own counter to use all of it:
        `Ceilings.in_tokens(lambda text: len(encoding.encode(text)), feedback=1_000)`. The titles of
        sections, and the least that is shown of each value, come on top.
        """
        names = [one.name for one in fields(cls) if one.name not in ("examples", "count")]
        usual = {name: getattr(CEILINGS, name) // 4 for name in names}
        return cls(**{**usual, **ceilings}, count=count)

    def fit(self, entries: Sequence[Entry], ceiling: int) -> list[str | None]:
        """As `sections.fit`, in the unit of these ceilings."""
        return within(ceiling, self.count, lambda characters: fit(entries, characters))

    def fit_groups(self, groups: Sequence[Sequence[Entry]], ceiling: int) -> list[list[str | None]]:
        """As `fit` for groups of entries that share one ceiling."""
        texts = iter(self.fit(list(chain.from_iterable(groups)), ceiling))
        return [list(islice(texts, len(group))) for group in groups]

    def fit_whole(self, texts: Sequence[str], ceiling: int) -> list[Excerpt]:
        """Texts of which none is left out, however little room there is."""

        def cut(characters: int) -> list[Excerpt]:
            shares = fair_shares([len(text) for text in texts], characters)
            return [Excerpt.of(text, share) for text, share in zip(texts, shares, strict=True)]

        return within(ceiling, self.count, cut)


CEILINGS = Ceilings()
