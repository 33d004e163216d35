"""Texts as vectors: `embed` and `aembed` are recorded calls that ask a model to embed texts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tracelib.errors import InvalidReply, ModelError
from tracelib.graph.bundle import Bundle
from tracelib.graph.given import give
from tracelib.graph.node import is_node
from tracelib.llm.embedding import vectors_of
from tracelib.llm.message import Message, user
from tracelib.llm.model import Model, as_model
from tracelib.llm.reply import Reply

TEXTS = 256
"""How many texts one request has at most, unless told otherwise."""
CHARACTERS = 200_000
"""How many characters one request has at most, but for a longer text by itself; OpenAI takes 300,000
tokens."""


class Vector(list[Any]):
    """A list of floats (or of such lists) that knows the call it came from."""

    __slots__ = ("__weakref__",)


class Embedding(Bundle[Any, Any]):
    """A function that embeds; what it gives are plain lists, whose origin is known."""

    __slots__ = ()

    def __init__(self, fn: Callable[..., Any]) -> None:
        super().__init__(fn)
        self.op.kind = "embed"

    def entrance(self, recorded: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(self.fn):

            @functools.wraps(recorded)
            async def called_later(*args: Any, **kwargs: Any) -> Any:
                return handed(await recorded(*args, **kwargs))

            return called_later

        @functools.wraps(recorded)
        def called(*args: Any, **kwargs: Any) -> Any:
            return handed(recorded(*args, **kwargs))

        return called


def handed(made: Any) -> Any:
    """The vectors of a node as lists that know where they came from."""
    if not is_node(made):
        return made
    node: Any = made
    value: list[Any] = node.data
    parts = [handed(node[at]) for at in range(len(value))] if value and isinstance(value[0], list) else value
    return give(Vector(parts), made)


@Embedding
def embed(texts: Any, model: Any, *, batch: int = TEXTS, **params: Any) -> Any:
    """A vector for each text, in their order: lists of floats; of a lone text one list.

    `model` is a name, a Model, or a function from a list of texts to their vectors. At most `batch` texts
    go with one request; `params` go with each, such as `dimensions=256`, or to the function, which is given
    all texts at once. It is one call, with the tokens and the cost of all. Raises a ModelError as every
    question does, and InvalidReply when there are not as many vectors as texts.
    """
    listed = _listed(texts)
    if is_function(model):
        return _result(texts, _checked(listed, model(list(listed), **params)))
    asked, found = as_model(model), []
    for some in batches(listed, batch):
        found += _read(some, asked.ask(_messages(some), api="embeddings", **params))
    return _result(texts, found)


@Embedding
async def aembed(texts: Any, model: Any, *, batch: int = TEXTS, **params: Any) -> Any:
    """`embed`, to be awaited; `model` may be an async function too."""
    listed = _listed(texts)
    if is_function(model):
        made = model(list(listed), **params)
        return _result(texts, _checked(listed, await made if inspect.isawaitable(made) else made))
    asked, found = as_model(model), []
    for some in batches(listed, batch):
        found += _read(some, await asked.aask(_messages(some), api="embeddings", **params))
    return _result(texts, found)


def is_function(model: Any) -> bool:
    """Whether it embeds by itself."""
    return callable(model) and not isinstance(model, Model)


def batches(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """The texts in groups of at most `most`, and of about CHARACTERS; none is left out.

    >>> list(batches(["a", "b", "c"], 2))
    [['a', 'b'], ['c']]
    """
    if most < 1:
        raise ModelError(f"batch is {most}: give how many texts one request may have, at least 1")
    group: list[str] = []
    size = 0
    for text in texts:
        if group and (len(group) == most or size + len(text) > CHARACTERS):
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text)
    if group:
        yield group


def _listed(texts: Any) -> list[str]:
    if not isinstance(texts, Iterable):
        raise ModelError(f"texts are embedded, not {type(texts).__name__} {texts!r}: give one, or a list")
    listed = [texts] if isinstance(texts, str) else list(texts)
    wrong = next((text for text in listed if not isinstance(text, str)), None)
    if wrong is not None:
        raise ModelError(f"texts are embedded, not {type(wrong).__name__} {wrong!r}: give str(...) of it")
    return listed


def _messages(texts: list[str]) -> list[Message]:
    return [user(text) for text in texts]


def _read(texts: list[str], reply: Reply) -> list[list[float]]:
    """The vectors that a reply holds. Raises InvalidReply, which tells of the request."""
    try:
        return _checked(texts, vectors_of(reply.text))
    except InvalidReply as error:
        error.request_id, error.attempts = reply.request_id, reply.attempts
        raise


def _checked(texts: list[str], vectors: Any) -> list[list[float]]:
    """The vectors as plain lists, also from arrays. Raises InvalidReply unless each text has one."""
    if inspect.iscoroutine(vectors):
        vectors.close()
        raise ModelError("the function that embeds is async: await trace.aembed(...)")
    try:
        found = [_plain(vector) for vector in _plain(vectors)]
    except TypeError as error:
        raise InvalidReply(
            f"{type(vectors).__name__} {vectors!r:.100} came back, and no list of numbers for each text"
        ) from error
    if len(found) != len(texts):
        raise InvalidReply(f"{len(texts)} texts were embedded and {len(found)} vectors came back")
    return found


def _plain(vector: Any) -> list[Any]:
    as_list = getattr(vector, "tolist", None)  # of numpy and torch, which are not loaded to know them
    return list(as_list() if callable(as_list) else vector)


def _result(texts: Any, vectors: list[list[float]]) -> Any:
    return vectors[0] if isinstance(texts, str) else vectors
