"""A module whose functions learn: what their code reaches is here."""

from __future__ import annotations

import dataclasses
import re
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import tracelib as trace

FACTOR = 3
PRICES = {"ship": 3.5}
LOCK = threading.Lock()
HERE = Path(__file__)


def double(x: Any) -> Any:
    return x * 2


class Greeter:
    mark = "!"

    def greet(self, name: str) -> str:
        return f"Hi {name}{self.mark}"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0

    def norm(self) -> int:
        return abs(self.x) + abs(self.y)


class Order(BaseModel):
    item: str
    pieces: int


@trace.bundle
def look(word: str) -> int:
    """Stays outside."""
    return len(word)


@trace.bundle(trainable=True)
def learn(x: Any, *more: Any, **named: Any) -> Any:
    """Learns."""
    return x, re.escape("."), double, FACTOR, PRICES, Greeter, Point, Order, LOCK, HERE


@trace.bundle(trainable=True)
async def later(x: Any) -> Any:
    """Learns, and awaits."""
    return x


@trace.bundle(trainable=True)
def several(x: Any) -> Any:
    """Learns, and yields."""
    yield x


def counter(step: int) -> Any:
    @trace.bundle(trainable=True)
    def count(x: int) -> int:
        return x + step

    return count


class Base:
    def title(self) -> str:
        return "base"


@trace.model
class Agent(Base):
    kind = "agent"

    def __init__(self) -> None:
        self.prompt = trace.node("Hello", trainable=True)
        self.seen = ["a"]
        self.lock = LOCK
        self.__own = 7

    def helper(self, text: str) -> str:
        return f"<{text} {self.kind}>"

    @trace.bundle(trainable=True)
    def answer(self, text: str) -> Any:
        return text, self.title()

    @trace.bundle(trainable=True)
    def shout(self, text: str) -> Any:
        return text.upper()
