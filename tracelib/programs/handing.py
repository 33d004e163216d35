"""What a program gives to whoever called it: the value itself, which knows the call that it came from."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Awaitable
from typing import Any

from tracelib.graph.given import give
from tracelib.graph.node import is_node
from tracelib.llm.reply import Reply


def handed(made: Any) -> Any:
    """A text as it is; of several replies a list; any other object noted as what the call gave.

    The record keeps an object of its own, so that nothing done to the one handed out changes it.
    """
    if not is_node(made) or isinstance(made, str):
        return made
    node: Any = made
    value: Any = node.data
    if type(value) is list:
        return [handed(node[at]) for at in range(len(value))]
    if isinstance(value, Reply):
        return give(_reply(value, made), made)
    return give(copy.deepcopy(value), made)


async def handed_later(made: Awaitable[Any]) -> Any:
    """`handed` of what is awaited."""
    return handed(await made)


def _reply(value: Reply, made: Any) -> Reply:
    """A reply whose texts and parsed object are known to come from the call."""
    texts = made.texts
    known = tuple(texts[at] for at in range(len(value.texts)))
    parsed = None if value.parsed is None else handed(made.parsed)
    return dataclasses.replace(value, text=made.text, texts=known, parsed=parsed).offering(value.tools)
