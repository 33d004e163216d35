"""What a program gives to whoever called it: the value itself, which knows the call that it came from."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Awaitable
from typing import Any

from tracelib.graph.given import give
from tracelib.graph.node import is_node
from tracelib.llm.reply import Reply


class Texts(list[Any]):
    """Several replies to one question, each a Text."""


def handed(made: Any) -> Any:
    """A text as it is; of several replies a list of Texts; any other object noted as what the call gave.

    The record keeps an object of its own, so that nothing done to the one handed out changes it.
    """
    if not is_node(made) or isinstance(made, str):
        return made
    node: Any = made
    value: Any = node.data
    if type(value) is list:
        return Texts(node[at] for at in range(len(value)))
    if isinstance(value, Reply):
        return give(_reply(value, made), made)
    return give(copy.copy(value), made)


async def handed_later(made: Awaitable[Any]) -> Any:
    """`handed` of what is awaited."""
    return handed(await made)


def _reply(value: Reply, made: Any) -> Reply:
    """A reply whose text and parsed object are known to come from the call."""
    parsed = None if value.parsed is None else give(copy.copy(value.parsed), made.parsed)
    found = dataclasses.replace(value, text=made.text, texts=tuple(_texts(value, made)), parsed=parsed)
    return found.offering(value.tools)


def _texts(value: Reply, made: Any) -> list[Any]:
    texts = made.texts
    return [texts[at] for at in range(len(value.texts))]
