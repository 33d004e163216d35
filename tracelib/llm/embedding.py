"""The embeddings API: texts in, a vector for each out, by the same door as every other question.

A reply holds the vectors as its text, so that whatever keeps and replays replies does so with these.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tracelib.errors import InvalidReply, ModelError
from tracelib.llm.completion import Gathering, field_of, read_usage, short
from tracelib.llm.exchange import told
from tracelib.llm.guard import Question
from tracelib.llm.reply import Reply

BYTES = 8
"""Of a number in a reply's text: all that Python has of it."""


class Embeddings:
    """The dialect of `/embeddings`; each message of a question is a text to embed."""

    words = "input"
    keeps = False
    expected = "list of embeddings"

    @property
    def streaming(self) -> Mapping[str, Any]:
        """Raises ModelError: there is no such stream."""
        raise ModelError("embeddings come in one piece: call trace.embed(texts, model=...)")

    def resource(self, client: Any) -> Any:
        return client.embeddings

    def body(self, question: Question) -> dict[str, Any]:
        texts = [message["content"] for message in question.messages]
        # Not every server knows the SDK's own choice, base64.
        return {"model": question.model, "input": texts, "encoding_format": "float", **told(question)}

    def read(self, answer: Any) -> Reply:
        return read_embeddings(answer)

    def failure(self, answer: Any) -> None:
        """Embeddings fail by their HTTP status alone."""

    def gathering(self) -> Gathering:
        return Gathering()


def read_embeddings(answer: Any) -> Reply:
    """The reply in a list of embeddings, in the order of their texts. Raises InvalidReply for any other."""
    data = field_of(answer, "data")
    if not isinstance(data, list) or not data:
        raise InvalidReply(f"the answer has no embeddings: {short(answer)}", short(answer))
    inorder = sorted(enumerate(data), key=lambda entry: _place(entry[1], entry[0]))
    try:
        text = as_text(field_of(entry, "embedding") for _, entry in inorder)
    except (TypeError, struct.error) as error:
        raise InvalidReply(f"an embedding is no list of numbers: {error}", short(answer)) from error
    usage = read_usage(field_of(answer, "usage"))
    if usage.prompt_tokens is not None:
        usage = replace(usage, completion_tokens=0)
    return Reply(text, usage=usage, model=field_of(answer, "model") or "", raw=answer)


def as_text(vectors: Iterable[Sequence[float]]) -> str:
    """Vectors as one text, from which `vectors_of` makes them again, to the last bit."""
    packed = (struct.pack(f"<{len(vector)}d", *vector) for vector in vectors)
    return json.dumps([base64.b64encode(data).decode() for data in packed])


def vectors_of(text: str) -> list[list[float]]:
    """The vectors that a reply's text holds. Raises InvalidReply for any other text.

    >>> vectors_of(as_text([[0.1, 2.0], [3.0, 4.0]]))
    [[0.1, 2.0], [3.0, 4.0]]
    """
    try:
        packed = [base64.b64decode(data) for data in json.loads(text)]
        return [list(struct.unpack(f"<{len(data) // BYTES}d", data)) for data in packed]
    except (TypeError, ValueError, binascii.Error, struct.error) as error:
        raise InvalidReply(f"the reply holds no embeddings: {short(text)}", text) from error


def _place(entry: Any, otherwise: int) -> int:
    index = field_of(entry, "index")
    return index if isinstance(index, int) else otherwise
