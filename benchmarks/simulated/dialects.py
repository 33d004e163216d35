"""How optimizers put their questions, and how they want to be answered: the peers'. Standard library only.

A dialect finds the present values of the variables in a question, by name, and writes new ones as a reply.
A question is told by words of its standing text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from benchmarks.simulated.world import PROMPT, SEED, needed


@dataclass(frozen=True)
class Asked:
    """A question as the text of the system and the text of all others."""

    system: str
    user: str

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]]) -> Asked:
        system = [text_of(message) for message in messages if message["role"] in ("system", "developer")]
        user = [text_of(message) for message in messages if message["role"] == "user"]
        return cls("\n".join(system), "\n".join(user))

    @cached_property
    def whole(self) -> str:
        return f"{self.system}\n{self.user}"


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, whose content may be in parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


class Dialect(Protocol):
    """One kind of question. `role` is propose or advise; `free` is a reply that any text will do for."""

    @property
    def role(self) -> str: ...
    @property
    def free(self) -> bool: ...

    def heard_in(self, asked: Asked) -> bool: ...
    def values(self, asked: Asked) -> Mapping[str, str]: ...
    def reply(self, values: Mapping[str, str], asked: Asked) -> str: ...


class TraceOpt:
    """trace-opt's OptoPrime: sections behind #, answered by a JSON object."""

    role, free = "propose", False

    def heard_in(self, asked: Asked) -> bool:
        return '"suggestion": {' in asked.whole and "#Variables" in asked.whole

    def values(self, asked: Asked) -> Mapping[str, str]:
        told = asked.user.split("Now you see problem instance")[-1]
        section = told.split("#Variables")[-1].split("#Constraints")[0]
        return {name: _prompt_in(section) for name in re.findall(r"\(\w+\) (\w+)=", section)[:1]}

    def reply(self, values: Mapping[str, str], asked: Asked) -> str:
        return json.dumps({"reasoning": "name what was ignored", "answer": "", "suggestion": dict(values)})


class TextGrad:
    """textgrad's descent step: one variable, answered between tags."""

    role, free = "propose", False

    def heard_in(self, asked: Asked) -> bool:
        return "optimization system that improves text (i.e., variable)" in asked.system

    def values(self, asked: Asked) -> Mapping[str, str]:
        section = re.search(r"<VARIABLE>(.*?)</VARIABLE>", asked.user, re.DOTALL)
        whole = None if section is None or "(...)" in section[1] else PROMPT.search(section[1])
        if whole is not None:
            return {"variable": whole[0]}
        # A long value is shown there by its first and last words; it is whole in the conversations.
        return {"variable": (PROMPT.findall(asked.user) or [SEED])[-1]}

    def reply(self, values: Mapping[str, str], asked: Asked) -> str:
        return "".join(f"<IMPROVED_VARIABLE>{value}</IMPROVED_VARIABLE>" for value in values.values())


class TextGradCritic:
    """textgrad's gradient: what is wrong with one variable, in words."""

    role, free = "advise", True

    def heard_in(self, asked: Asked) -> bool:
        marks = ("You are the gradient (feedback) engine", "critically aggregate and summarize the feedback")
        return any(mark in asked.system for mark in marks)

    def values(self, asked: Asked) -> Mapping[str, str]:
        return {}

    def reply(self, values: Mapping[str, str], asked: Asked) -> str:
        rules = sorted(needed(asked.user))
        if not rules:
            return "No feedback, it works well."
        return "Feedback: " + " ".join(f"need:{rule}" for rule in rules)


class Gepa:
    """gepa's reflection: one prompt and its examples, answered in a block of backticks."""

    role, free = "propose", False

    def heard_in(self, asked: Asked) -> bool:
        return "I provided an assistant with the following instructions" in asked.whole

    def values(self, asked: Asked) -> Mapping[str, str]:
        return {"prompt": _prompt_in(asked.whole)}

    def reply(self, values: Mapping[str, str], asked: Asked) -> str:
        return "".join(f"Here it is:\n```\n{value}\n```" for value in values.values())


def _prompt_in(text: str) -> str:
    found = PROMPT.search(text)
    return found[0] if found else SEED


PEERS: tuple[Dialect, ...] = (TextGradCritic(), TextGrad(), Gepa(), TraceOpt())
