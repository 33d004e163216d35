"""How our own proposers put their questions: a record in sections behind its key, answered by JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.simulated.dialects import PEERS, Asked, Dialect
from benchmarks.simulated.world import known, needed

KEY = re.compile(r"^The key of this record is (\w+)\.$", re.MULTILINE)
VARIABLE = re.compile(r"(?:[\w ]+, )?variable (.+): [^:]+")
"""The title of a section that holds the value of a variable, or what one parent has for it."""


def sections(asked: Asked) -> list[tuple[str, str]]:
    """The sections of a record, each with its title."""
    found = KEY.search(asked.user)
    assert found is not None, "it has no record"
    parts = asked.user.split(f"\n[{found[1]}] ")[1:]
    return [(title, body) for title, _, body in (part.partition("\n") for part in parts)]


class Suggestion:
    """New values are wanted for the variables of a record; of several parents, from what all of them have."""

    role, free = "propose", False

    def heard_in(self, asked: Asked) -> bool:
        return '"suggestion": {' in asked.system and KEY.search(asked.user) is not None

    def values(self, asked: Asked) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for title, body in sections(asked):
            named = VARIABLE.fullmatch(title)
            if named is not None:
                name = json.loads(named[1]) if named[1].startswith('"') else named[1]
                found[name] = f"{found[name]}\n{body}" if name in found else body
        return found

    def reply(self, values: Mapping[str, str], asked: Asked) -> str:
        return json.dumps({"reasoning": "what was ignored is named now", "suggestion": dict(values)})


class Rule(Suggestion):
    """Only what is to be put behind the present text is wanted."""

    def heard_in(self, asked: Asked) -> bool:
        return super().heard_in(asked) and '"<a rule>"' in asked.system

    def reply(self, values: Mapping[str, str], asked: Asked) -> str:
        present = self.values(asked)
        new = {name: sorted(known(value) - known(present[name])) for name, value in values.items()}
        rules = {name: " ".join(f"@{rule}@" for rule in found) for name, found in new.items() if found}
        return super().reply(rules, asked)


@dataclass(frozen=True)
class Words:
    """Words are wanted under one key: a critic's, reasons, what the data or the program is like."""

    key: str
    several: bool = False
    role: str = "advise"
    free: bool = False

    def heard_in(self, asked: Asked) -> bool:
        return f'{{"{self.key}": ' in asked.system and KEY.search(asked.user) is not None

    def values(self, asked: Asked) -> Mapping[str, str]:
        return {}

    def reply(self, values: Mapping[str, str], asked: Asked) -> str:
        said = [f"need:{rule}" for rule in sorted(needed(asked.user))] or ["it is good as it is"]
        return json.dumps({self.key: said if self.several else " ".join(said)})


OURS: tuple[Dialect, ...] = (
    Rule(),
    Suggestion(),
    Words("reasons", several=True),
    Words("summary"),
    Words("description"),
    Words("feedback"),
)


def dialect_of(asked: Asked) -> Dialect | None:
    """Who asks; None for a question of the task itself."""
    return next((dialect for dialect in (*OURS, *PEERS) if dialect.heard_in(asked)), None)
