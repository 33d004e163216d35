"""Programs and metrics for trainer tests, at the top level of a module so that processes can import them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import Field

from tracelib.graph.bundle import bundle
from tracelib.graph.module import model
from tracelib.graph.node import node
from tracelib.testing import ScriptedModel

TRIPLES = [(n, 3 * n + 2) for n in range(12)]


@model
class Line:
    """slope * x + offset, with a label that changes nothing."""

    def __init__(self) -> None:
        self.slope = node(1, trainable=True, constraint=Annotated[int, Field(ge=0, le=5)])
        self.offset = node(0, trainable=True, constraint=Literal[0, 1, 2])
        self.label = node("line", trainable=True)

    @bundle
    def scaled(self, x: int) -> Any:
        """x times the slope."""
        return self.slope * x

    def __call__(self, x: int) -> Any:
        return self.scaled(x) + self.offset

    def recipe(self) -> tuple[str, dict[str, Any]]:
        return f"training:{type(self).__name__}", {}


@model
class AsyncLine(Line):
    async def __call__(self, x: int) -> Any:
        await asyncio.sleep(0)
        return self.scaled(x) + self.offset


@bundle(trainable=True)
def shout(text):
    """Say it louder."""
    return text


def near(output: int, expected: int) -> float:
    return -abs(float(output) - expected)


async def awaited_near(output: int, expected: int) -> float:
    await asyncio.sleep(0)
    return near(output, expected)


def agreeing(messages: list[dict[str, Any]]) -> str:
    return "yes"


@model
class AskingLine(Line):
    """A line that asks a model before each answer."""

    def __init__(self, llm: Any) -> None:
        super().__init__()
        self.llm = llm

    @bundle
    def scaled(self, x: int) -> Any:
        """x times the slope, if the model agrees."""
        return self.slope * x if self.llm.ask(f"scale {x}?").text == "yes" else 0

    def recipe(self) -> tuple[str, dict[str, Any]]:
        return "training:asking_line", {}


def asking_line() -> AskingLine:
    return scripted_line()[0]


def scripted_line() -> tuple[AskingLine, ScriptedModel]:
    llm = ScriptedModel(agreeing)
    return AskingLine(llm), llm


def loud(output: str, expected: str) -> float:
    return float(output == expected)


LINE = Line()
FACTOR = node(1, name="factor", trainable=True)


def multiplied(x: int) -> Any:
    return FACTOR * x
