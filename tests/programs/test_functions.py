"""What may be made a program: functions of every kind, and nothing that is recorded already."""

from __future__ import annotations

import functools
from typing import Any

import pytest

import tracelib as trace
from tracelib.errors import GraphError


def echo(messages: list[dict[str, Any]], **params: Any) -> str:
    return " | ".join(str(message["content"]) for message in messages)


def tell(style: str, about: str) -> str:
    """Be kind."""
    return f"{style} {about}"


class Teller:
    """Be kind."""

    def __call__(self, about: str) -> str:
        return about

    def method(self, about: str) -> str:
        """Be brief."""
        return about


class Later:
    """Be kind."""

    async def __call__(self, about: str) -> str:
        return about


async def later(style: str, about: str) -> str:
    """Be kind."""
    return f"{style} {about}"


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (functools.partial(tell, "odd"), "Be kind. | odd rain"),
        (Teller(), "Be kind. | rain"),
        (Teller().method, "Be brief. | rain"),
        (functools.partial(Teller().method), "Be brief. | rain"),
    ],
)
@pytest.mark.parametrize("trainable", [False, True])
def test_its_docstring_is_the_system_message(fn: Any, said: str, trainable: bool) -> None:
    assert trace.lm(model=echo, trainable=trainable)(fn)("rain") == said


@pytest.mark.parametrize("fn", [Later(), functools.partial(later, "odd")])
async def test_what_is_awaited_makes_a_program_that_is_awaited(fn: Any) -> None:
    program = trace.lm(model=echo)(fn)
    assert (await program("rain")).endswith("rain")
    assert (await program("rain", api_params={"n": 1})).startswith("Be kind.")
    assert trace.origin(await program("rain")).calls


@trace.prompt("user")
def template(about: str) -> None:
    """Tell of {{ about }}."""


@pytest.mark.parametrize(
    "recorded",
    [template, trace.lm(model=echo)(tell), trace.tool(tell), trace.bundle(tell, trainable=True)],
    ids=["prompt", "program", "tool", "bundle that learns"],
)
def test_what_is_recorded_already_is_no_function_of_a_program(recorded: Any) -> None:
    with pytest.raises(GraphError, match="is recorded already, and is no function of a program: call it"):
        trace.lm(model=echo)(recorded)


def test_a_program_may_call_what_is_recorded() -> None:
    program = trace.lm(model=echo)(lambda about: [template(about), trace.bundle(tell)("odd", about)])
    assert program("rain") == "Tell of rain. | odd rain"
