"""Programs that are methods: of one object, in all that a program can do."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

import tracelib as trace
from tracelib.testing import ScriptedModel


def echo(messages: list[dict[str, Any]], **params: Any) -> str:
    """All that was said, and the parameters."""
    return " ".join([*(str(message["content"]) for message in messages), *map(str, params)])


class Guide:
    """Knows its city."""

    def __init__(self, city: str) -> None:
        self.city = city

    @trace.lm(model=echo)
    def plain(self, question: str) -> str:
        """Be brief."""
        return f"{self.city}: {question}"

    @trace.lm(model=echo, trainable=True)
    def learning(self, question: str) -> str:
        """Be brief."""
        return f"{self.city}: {question}"

    @trace.lm(model=echo)
    async def later(self, question: str) -> str:
        """Be brief."""
        return f"{self.city}: {question}"

    @trace.lm(model=echo)
    @classmethod
    def kind(cls, question: str) -> str:
        """Be brief."""
        return f"{cls.__name__}: {question}"


SAID = {"plain": "Rome: why?", "learning": "Rome: why?", "kind": "Guide: why?"}


@pytest.mark.parametrize("name", SAID)
def test_a_method_is_streamed_for_its_object(name: str) -> None:
    method = getattr(Guide("Rome"), name)
    stream = method.stream("why?", api_params={"top_p": 1})
    assert "".join(stream) == f"Be brief. {SAID[name]} top_p"
    assert stream.result.call.op.name == name


@pytest.mark.parametrize("name", SAID)
def test_a_variant_of_a_method_is_one_of_the_same_object(name: str) -> None:
    method = getattr(Guide("Rome"), name)
    assert method.using(api_params={"top_p": 1})("why?") == f"Be brief. {SAID[name]} top_p"
    assert method("why?") == f"Be brief. {SAID[name]}"


async def test_an_async_method_is_streamed_and_awaited() -> None:
    method = Guide("Rome").later
    assert [piece async for piece in method.stream("why?")] == ["Be brief. Rome: why?"]
    assert await method.using(api_params={"top_p": 1})("why?") == "Be brief. Rome: why? top_p"


def test_a_stream_says_the_prompt_that_its_object_learned() -> None:
    one, other = Guide("Rome"), Guide("Bern")
    one.learning.system.update("Be kind.")
    assert "".join(one.learning.stream("why?")) == "Be kind. Rome: why?"
    assert "".join(other.learning.stream("why?")) == "Be brief. Bern: why?"


def test_a_method_tells_of_itself_as_methods_do() -> None:
    guide = Guide("Rome")
    method = guide.plain
    assert (method.__doc__, method.__name__) == ("Be brief.", "plain")
    assert list(inspect.signature(method).parameters) == ["question"]
    assert method == guide.plain
    assert method != Guide("Rome").plain
    assert asyncio.iscoroutinefunction(guide.later)
    assert trace.version_of(method).hash == trace.version_of(Guide.plain).hash


def test_a_method_of_a_class_is_a_program_for_any_object() -> None:
    assert Guide.plain(Guide("Rome"), "why?") == "Be brief. Rome: why?"
    model = ScriptedModel(["said"])
    assert Guide.plain(Guide("Rome"), "why?", model=model) == "said"
