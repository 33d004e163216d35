"""A landscape for prompts that is known in full: hidden rules, and questions of which each needs a few.

A prompt knows a rule when it holds the rule's mark. The score of an answer is the share of the needed rules
that were applied: 0 for the seed, 1 at the optimum. Standard library only, for peers run this too.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

RULES = tuple(f"R{number:02d}" for number in range(12))
SPLITS = {"TR": 24, "VA": 24, "TE": 24}
"""Questions of each split: train, validation and test."""
SEED = "BEGINPROMPT You are a careful clerk. Answer the question. ENDPROMPT"
PROMPT = re.compile(r"BEGINPROMPT.*?ENDPROMPT", re.DOTALL)
QUESTION = re.compile(r"\b(?:TR|VA|TE)\d\d\b")
_KNOWN = re.compile(r"@(R\d\d)@")
_NEEDED = re.compile(r"need:(R\d\d)")
_APPLIED = re.compile(r"applied=([R\d,]*)")
_SOUND = re.compile(r"BEGINPROMPT [\w. ]*?(?:@R\d\d@ ?)* ?ENDPROMPT(?:\s+@R\d\d@)*")


@dataclass(frozen=True)
class World:
    """Which rules each question needs; the seed decides."""

    seed: int = 0

    @cached_property
    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """The rules that each question needs, by question."""
        rng = random.Random(f"world {self.seed}")
        names = [f"{split}{number:02d}" for split, size in SPLITS.items() for number in range(size)]
        return {name: tuple(sorted(rng.sample(RULES, rng.choice((2, 3))))) for name in names}

    def questions(self, split: str) -> list[str]:
        return [name for name in self.needs if name.startswith(split)]

    def score(self, answer: str, question: str) -> float:
        """The share of the needed rules that an answer applied."""
        needed = set(self.needs[question])
        return len(applied(answer) & needed) / len(needed)

    def said_of(self, answer: str, question: str) -> str:
        """What is said of an answer: the rules that it ignored, by name."""
        missing = sorted(set(self.needs[question]) - applied(answer))
        if not missing:
            return "correct"
        return "wrong, the answer ignored " + " ".join(f"need:{rule}" for rule in missing)

    def worth(self, prompt: str, split: str = "TE") -> float:
        """The mean score of a prompt on a split, without noise."""
        asked = self.questions(split)
        return sum(self.score(answer(question, known(prompt)), question) for question in asked) / len(asked)


def known(prompt: str) -> set[str]:
    """The rules that a prompt holds."""
    return set(_KNOWN.findall(prompt))


def needed(text: str) -> set[str]:
    """The rules that a text says are needed."""
    return set(_NEEDED.findall(text))


def applied(answer: str) -> set[str]:
    """The rules that an answer says it applied."""
    found = _APPLIED.search(answer)
    return set(filter(None, found[1].split(","))) if found else set()


def answer(question: str, rules: Iterable[str]) -> str:
    return f"ANSWER {question} applied={','.join(sorted(rules))}"


def prompt_with(rules: Iterable[str], words: str = "") -> str:
    """The seed's prompt with these rules, and with words that change nothing."""
    parts = [SEED.removesuffix(" ENDPROMPT"), words, *(f"@{rule}@" for rule in sorted(rules)), "ENDPROMPT"]
    return " ".join(filter(None, parts))


def sound(prompt: str) -> bool:
    """Whether this is a prompt as the simulated proposer means them, rules put behind it included.

    >>> sound(SEED), sound(prompt_with(["R01", "R07"])), sound("Sure! " + SEED), sound(SEED[:40])
    (True, True, False, False)
    """
    return _SOUND.fullmatch(prompt) is not None


def chance(*parts: object) -> float:
    """A number in 0-1 that depends on the parts alone, so that equal questions meet equal luck."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
