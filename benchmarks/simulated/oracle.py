"""The simulated model: it answers questions of the task, criticises, and proposes, noisily and always alike.

Everything it does depends on the content of the question and on how often that content came, not on who asks
or when: optimizers that show it the same things get the same luck. Standard library only.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.simulated.dialects import Asked, Dialect
from benchmarks.simulated.records import dialect_of
from benchmarks.simulated.world import (
    PROMPT,
    QUESTION,
    RULES,
    World,
    answer,
    chance,
    known,
    needed,
    prompt_with,
    sound,
)


@dataclass(frozen=True)
class Nature:
    """What the simulated model is like; probabilities in 0-1, latency in seconds.

    `fixes`: that a rule which the question says is missing is added. `forgets`: that a rule which is there
    gets lost in a proposal. `guesses`: that a rule is added where the question shows no feedback.
    `malformed`: that a proposal cannot be read. `noise`: that the task ignores a rule it was told. One that
    `rewords` never repeats a text, as real models never do; an `idle` one does nothing else, so what it
    proposes is exactly as good as what was there.
    """

    seed: int = 0
    fixes: float = 0.7
    forgets: float = 0.05
    guesses: float = 0.0
    malformed: float = 0.0
    noise: float = 0.0
    latency: float = 0.0
    rewords: bool = False
    idle: bool = False


HARD = Nature(fixes=0.5, forgets=0.15, guesses=0.1, noise=0.1)
"""A forgetful proposer and an unreliable task; without feedback the proposer guesses."""


SAID = ("correct", "it is good as it is")
"""What is said where no rule was ignored."""


@dataclass
class Tally:
    """What was asked: calls and prompt tokens by role, malformed replies, prompts that no proposal meant.

    `adopted` are texts under which the task was asked that are no prompt of the simulated proposer's, `lost`
    are questions in which nothing was recognised, `at_once` the most that were open at the same time.
    """

    calls: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    malformed: int = 0
    adopted: list[str] = field(default_factory=list)
    lost: int = 0
    at_once: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.malformed + other.malformed,
            [*self.adopted, *other.adopted],
            self.lost + other.lost,
            max(self.at_once, other.at_once),
        )

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "calls": dict(self.calls), "tokens": dict(self.tokens)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tally:
        return cls(**{**value, "calls": Counter(value["calls"]), "tokens": Counter(value["tokens"])})


class Oracle:
    """Answers questions by a nature, and counts them; from any thread."""

    def __init__(self, nature: Nature) -> None:
        self.nature = nature
        self.world = World(nature.seed)
        self.tally = Tally()
        self._seen: Counter[tuple[str, ...]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, messages: list[dict[str, Any]]) -> str:
        """The text of the reply."""
        asked = Asked.of(messages)
        dialect = dialect_of(asked)
        role = "task" if dialect is None else dialect.role
        with self._lock:
            self.tally.calls[role] += 1
            self.tally.tokens[role] += sum(tokens(message) for message in messages)
        return self._task(asked) if dialect is None else self._advice(dialect, asked)

    def _nth(self, *content: str) -> int:
        """How often this came, this time counted."""
        with self._lock:
            self._seen[content] += 1
            return self._seen[content]

    def _task(self, asked: Asked) -> str:
        question = (QUESTION.findall(asked.user) or [None])[-1]
        if question is None:
            with self._lock:
                self.tally.lost += 1
            return answer("none", ())
        self._note_prompt(asked.system)
        rules = sorted(known(asked.system) & set(self.world.needs[question]))
        if self.nature.noise:
            key = ("task", question, *rules)
            nth, seed = self._nth(*key), self.nature.seed
            rules = [rule for rule in rules if chance(seed, *key, nth, rule) >= self.nature.noise]
        return answer(question, rules)

    def _note_prompt(self, prompt: str) -> None:
        """Keep a prompt that is none: the text of a reply that somebody took for a value."""
        if not sound(prompt.strip()):
            with self._lock:
                if prompt not in self.tally.adopted:
                    self.tally.adopted.append(prompt)

    def _advice(self, dialect: Dialect, asked: Asked) -> str:
        values = dialect.values(asked)
        needs = sorted(needed(asked.user))
        have = sorted(known(" ".join(values.values())))
        key = (dialect.role, ",".join(have), ",".join(needs))
        luck = _Luck(self.nature.seed, *key, self._nth(*key))
        name = luck.pick(sorted(values)) if values else ""
        told = self._told(needs, asked, luck)
        reply = dialect.reply({name: self._mended(values[name], told, luck)} if name else {}, asked)
        if dialect.free or not luck.happens("malformed", self.nature.malformed):
            return reply
        with self._lock:
            self.tally.malformed += 1
        return spoiled(reply, int(4 * luck.of("how")))

    def _told(self, needs: list[str], asked: Asked, luck: _Luck) -> set[str]:
        """The rules that a proposal will add: of those that are named, or guessed where nothing was said."""
        if needs or any(word in asked.user for word in SAID):
            return {rule for rule in needs if luck.happens(f"fix {rule}", self.nature.fixes)}
        return {rule for rule in RULES if luck.happens(f"guess {rule}", self.nature.guesses)}

    def _mended(self, old: str, added: set[str], luck: _Luck) -> str:
        words = f"draft {luck.of('words'):.6f}" if self.nature.rewords or self.nature.idle else ""
        if self.nature.idle:
            return prompt_with(known(old), words)
        kept = {rule for rule in known(old) if not luck.happens(f"forget {rule}", self.nature.forgets)}
        return prompt_with(kept | added, words)


class _Luck:
    """Chance that depends on the content of a question."""

    def __init__(self, *content: object) -> None:
        self._content = content

    def of(self, what: str) -> float:
        return chance(*self._content, what)

    def happens(self, what: str, probability: float) -> bool:
        return self.of(what) < probability

    def pick(self, names: list[str]) -> str:
        return names[int(self.of("which") * len(names))]


def spoiled(reply: str, how: int) -> str:
    """A reply that cannot be read: prose with half an object, the first half, nothing, a value in prose."""
    value = PROMPT.search(reply)
    return (
        'Sure! Here is my thinking about the prompt, I would add more rules to it. {"suggestion": {"x',
        reply[: len(reply) // 2],
        "",
        f"I would write: {value[0] if value else reply} and be done.",
    )[how]


def tokens(message: Mapping[str, Any]) -> int:
    """Tokens of a message, four characters each."""
    content = message.get("content") or ""
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    return (len(text) + 3) // 4
