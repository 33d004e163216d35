"""The agent that the demonstration trains: a search engine for modules, in traced Python.

It starts naive: raw counts, equal weights, no correction for length. What it learns are the values
below; where a model may rewrite code, also the body of `weigh`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from optimizers.demo.corpus import Question, words
from optimizers.demo.library import FIELDS, Library
from tracelib.graph.bundle import bundle
from tracelib.graph.module import Module
from tracelib.graph.node import node

Weight = Annotated[float, Field(ge=0, le=10)]
Share = Annotated[float, Field(ge=0, le=1)]
StopWords = Literal["none", "short", "long"]

SHORT = frozenset(words("a an and as be by for in is it of on or that the this to with"))
LONG = SHORT | frozenset(
    words(
        "all any are at but called can class do does each else false from function given has have if into "
        "its method no none not object one other return returned returns same so such than then there these "
        "true up use used was were when where which will you your"
    )
)
STOP_WORDS = {"none": frozenset[str](), "short": SHORT, "long": LONG}


class Librarian(Module):
    """Says which module of the library a sentence comes from."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.stop_words = node(
            "none", trainable=True, description="which common words are ignored", constraint=StopWords
        )
        self.saturation = node(
            0.0,
            trainable=True,
            description="0: a word said ten times counts ten times; 1: once is enough",
            constraint=Share,
        )
        self.length_correction = node(
            0.0,
            trainable=True,
            description="0: long modules win by saying much; 1: counts are per length",
            constraint=Share,
        )
        self.weights = {
            field: node(
                1.0,
                trainable=True,
                description=f"how much a word counts in {FIELDS[field]}",
                constraint=Weight,
            )
            for field in FIELDS
        }

    def __call__(self, question: Question) -> Any:
        """The name of the module that fits best."""
        asked = node(question, name="question")
        said = self.tokenize(asked)
        telling = self.leave_out(said, self.stop_words)
        scores = self.weigh(telling, asked, self.weights, self.saturation, self.length_correction)
        return self.best(scores)

    @bundle
    def tokenize(self, question: Question) -> list[str]:
        """The words of the question, in lower case."""
        return words(question.sentence)

    @bundle
    def leave_out(self, said: list[str], stop_words: StopWords) -> list[str]:
        """The words without the stop words."""
        common = STOP_WORDS[stop_words]
        return [word for word in said if word not in common]

    @bundle(trainable=True)
    def weigh(
        self,
        telling: list[str],
        question: Question,
        weights: dict[str, float],
        saturation: float,
        length_correction: float,
    ) -> dict[str, float]:
        """How well each module fits the words: a score by name, higher is better.

        BM25F (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond",
        section 3.6) with one length per module: `length_correction` is its b, `saturation` is
        1 / (1 + k1), which makes raw counts the 0 of a finite range.
        """
        name, docstring, names, sentences = (weights[field] for field in FIELDS)
        sizes = [1 + length_correction * (length - 1) for length in self.library.lengths]
        scores = [0.0] * len(sizes)
        for word in telling:
            rarity = self.library.rarity(word)
            places = self.library.places(word, question.number)
            for module, in_name, in_docstring, in_names, in_sentences in places:
                said = in_name * name + in_docstring * docstring + in_names * names + in_sentences * sentences
                if said > 0:
                    scores[module] += rarity * said / ((1 - saturation) * sizes[module] + saturation * said)
        return dict(zip(self.library.names, scores, strict=True))

    @bundle
    def best(self, scores: dict[str, float]) -> str:
        """The name of the module with the highest score; the first of equals."""
        return max(scores, key=scores.__getitem__)
