"""The index of a corpus: which word is said where and how often. Knows no answer and no parameter."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from optimizers.demo.corpus import Corpus, ModuleText, words

FIELDS = {
    "name": "the module's name",
    "docstring": "the module's own docstring",
    "names": "the public names in the module",
    "sentences": "the first sentences of their docstrings",
}
"""Where a module can say a word."""

Place = tuple[int, int, int, int, int]
"""A module's number, and how often it says a word in each of the fields."""


class Library:
    """Modules by number, made ready for searching once; all four fields count.

    `index` says for each word where it stands, in the order of the modules. `lengths` is how many
    words each module says, over the average. `sentences` has, by sentence number, the number of its
    module and its words. (No dataclass: a search for parameters would walk all of it.)
    """

    def __init__(self, corpus: Corpus) -> None:
        counts = [field_counts(module) for module in corpus.modules]
        totals = [sum(count.total() for count in fields) for fields in counts]
        average = sum(totals) / len(totals)
        self.names = tuple(module.name for module in corpus.modules)
        self.lengths = tuple(total / average for total in totals)
        self.index = invert(counts)
        self.rarities = {word: rarity(len(places), len(counts)) for word, places in self.index.items()}
        self.sentences = tuple(
            (number, Counter(words(sentence)))
            for number, module in enumerate(corpus.modules)
            for sentence in module.sentences
        )

    def rarity(self, word: str) -> float:
        """How telling a word is, 0 and up; 0 for a word that no module says."""
        return self.rarities.get(word, 0.0)

    def places(self, word: str, without: int) -> tuple[Place, ...]:
        """Where a word stands, as if the sentence of the number `without` had never been written."""
        places = self.index.get(word, ())
        module, own = self.sentences[without]
        if word not in own:
            return places
        at = bisect_left(places, (module,))
        _, name, docstring, names, sentences = places[at]
        return (*places[:at], (module, name, docstring, names, sentences - own[word]), *places[at + 1 :])


def field_counts(module: ModuleText) -> tuple[Counter[str], ...]:
    """How often each word stands in each of the fields."""
    texts: tuple[Iterable[str], ...] = ([module.name], [module.docstring], module.names, module.sentences)
    return tuple(Counter(word for text in field for word in words(text)) for field in texts)


def invert(counts: list[tuple[Counter[str], ...]]) -> dict[str, tuple[Place, ...]]:
    """From the words of each module to the places of each word."""
    index: dict[str, list[Place]] = {}
    for module, (name, docstring, names, sentences) in enumerate(counts):
        for word in sorted({*name, *docstring, *names, *sentences}):
            place = (module, name[word], docstring[word], names[word], sentences[word])
            index.setdefault(word, []).append(place)
    return {word: tuple(places) for word, places in index.items()}


def rarity(modules: int, among: int) -> float:
    """Inverse document frequency as in BM25, never negative; Robertson & Zaragoza 2009, section 3.3."""
    return math.log(1 + (among - modules + 0.5) / (modules + 0.5))
