"""Texts as vectors: what is sent, in which order it comes back, and what is recorded of it."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy
import pytest

import tracelib as trace
from tracelib.errors import BadRequest, InvalidReply, ModelError, TraceError
from tracelib.llm.openai import OpenAIModel, RetryPolicy
from tracelib.testing import Fails, Garbled
from tracelib.testing.shapes import vector

TEXTS = ["a red apple", "a green apple", "the deep sea"]


@pytest.fixture
def model(server):
    at_once = RetryPolicy(attempts=3, base=0)
    prices = {"small": {"input": 20, "output": 0}}
    with OpenAIModel("small", base_url=server.base_url, retry=at_once, prices=prices) as model:
        yield model


async def by_embed(*args: Any, **kwargs: Any) -> Any:
    return trace.embed(*args, **kwargs)


@pytest.fixture(params=[by_embed, trace.aembed], ids=["embed", "aembed"])
def embed(request):
    return request.param


async def test_each_text_has_its_vector_in_order(embed, server, model):
    vectors = await embed(TEXTS, model=model)
    assert vectors == [vector(text) for text in TEXTS]
    assert isinstance(vectors, list)
    assert all(isinstance(one, list) and type(one[0]) is float for one in vectors)
    assert json.loads(json.dumps(vectors)) == vectors
    assert numpy.array(vectors).shape == (3, 32)


async def test_what_is_sent_is_the_texts_and_nothing_else(embed, server, model):
    await embed(TEXTS, model, dimensions=32)
    (request,) = server.requests
    assert request.path == "/v1/embeddings"
    assert request.body == {"model": "small", "input": TEXTS, "encoding_format": "float", "dimensions": 32}


async def test_a_lone_text_has_one_vector_and_no_text_none(embed, server, model):
    assert await embed("a red apple", model=model) == vector("a red apple")
    assert await embed([], model=model) == []
    assert len(server.requests) == 1


async def test_many_texts_go_in_batches_and_keep_their_order(embed, server, model):
    texts = [f"text number {n}" for n in range(25)]
    assert await embed(texts, model=model, batch=10) == [vector(text) for text in texts]
    assert [len(request.body["input"]) for request in server.requests] == [10, 10, 5]


async def test_long_texts_go_in_smaller_batches(embed, server, model):
    await embed(["x" * 90_000] * 5, model=model)
    assert [len(request.body["input"]) for request in server.requests] == [2, 2, 1]


async def test_order_is_kept_when_the_endpoint_mixes_it(embed, server, model):
    data = [{"index": n, "embedding": [float(n), 1 / 3]} for n in range(20)]
    random.Random(3).shuffle(data)
    server.then(Garbled(json.dumps({"data": data, "model": "small"})))
    assert await embed([str(n) for n in range(20)], model=model) == [[float(n), 1 / 3] for n in range(20)]


async def test_it_is_one_recorded_call_with_the_usage_and_cost_of_all(embed, server, model, tmp_path):
    with trace.SQLiteStore(tmp_path) as store:
        await embed(TEXTS, model=model, batch=2)
        (call,) = store.calls(values=True)
    assert call.name in ("embed", "aembed")
    assert (call.model, call.tokens_in, call.tokens_out, call.attempts) == ("small", 9, 0, 2)
    assert call.cost == pytest.approx(9 * 20 / 1e6)
    assert call.inputs["texts"] == TEXTS


async def test_the_vectors_know_their_call_and_their_texts(embed, model):
    source = trace.node("a red apple", name="source")
    vectors = await embed([source, "the sea"], model=model)

    @trace.bundle()
    def length(vectors: Any) -> int:
        return len(vectors)

    for given in (vectors, vectors[0], [vectors[1]]):
        names = [name.rstrip("0123456789") for name in trace.Graph.behind(length(given)).named()]
        assert "source" in names
        assert any(name in ("embed", "aembed") for name in names)


async def test_without_tracing_they_are_the_same(embed, model):
    with trace.stop_tracing():
        assert await embed(TEXTS, model=model) == [vector(text) for text in TEXTS]


async def test_a_function_embeds_by_itself(embed, server):
    assert await embed(["ab", "c"], model=lambda texts: [[float(len(text))] for text in texts]) == [
        [2.0],
        [1.0],
    ]
    assert await embed("ab", model=lambda texts: numpy.ones((len(texts), 2))) == [1.0, 1.0]
    assert server.requests == []


async def test_an_async_function_is_awaited():
    async def measure(texts: list[str]) -> list[list[float]]:
        return [[float(len(text))] for text in texts]

    assert await trace.aembed(["ab"], model=measure) == [[2.0]]
    with pytest.raises(ModelError, match=r"await trace\.aembed"):
        trace.embed(["ab"], model=measure)


async def test_a_registered_name_embeds(embed, model):
    trace.register_model("vectors", model)
    try:
        assert await embed("a", model="vectors") == vector("a")
    finally:
        trace.register_model("vectors", None)


async def test_faults_are_those_of_every_question(embed, server, model):
    server.then(Fails(503), Fails(429))
    assert await embed("a", model=model) == vector("a")
    server.then(Fails(400, code="too_long"))
    with pytest.raises(BadRequest, match="400") as error:
        await embed("a", model=model)
    assert error.value.code == "too_long"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"data": []}, "no list of embeddings"),
        ({"choices": []}, "no list of embeddings"),
        ({"data": [{"index": 0, "embedding": "AAAA"}]}, "no list of embeddings"),
        ({"data": [{"index": 0, "embedding": [1.0]}]}, "2 texts were embedded and 1 vectors came back"),
    ],
)
async def test_an_answer_without_all_vectors_is_refused(embed, server, model, answer, words):
    server.then(Garbled(json.dumps(answer)))
    with pytest.raises(InvalidReply, match=words) as raised:
        await embed(["a", "b"], model=model)
    if "vectors came back" in words:
        assert (raised.value.request_id, raised.value.attempts) == ("req-1", 1)


async def test_what_is_no_text_is_refused_before_anything_is_sent(embed, server, model):
    with pytest.raises(TraceError, match=r"texts are embedded, not int 3"):
        await embed(["a", 3], model=model)
    with pytest.raises(TraceError, match="batch is 0"):
        await embed(["a"], model=model, batch=0)
    assert server.requests == []


def test_there_is_no_stream_of_vectors(server, model):
    with pytest.raises(ModelError, match=r"trace\.embed"):
        list(model.stream("x", api="embeddings"))
    assert server.requests == []


def test_a_cache_answers_with_the_same_vectors(server, model, tmp_path):
    with trace.cache(tmp_path / "replies"):
        first = trace.embed(TEXTS, model=model)
        assert trace.embed(TEXTS, model=model) == first
    assert len(server.requests) == 1


def by_length(texts: list[str], scale: float = 1.0) -> list[list[float]]:
    """Takes its list apart, as functions may."""
    return [[scale * len(texts.pop(0))] for _ in range(len(texts))]


async def test_a_function_is_given_all_texts_of_any_iterable_and_the_parameters(embed):
    assert await embed((text for text in ("a", "bb")), by_length) == [[1.0], [2.0]]
    assert await embed(["a", "bb"], by_length, scale=2.0) == [[2.0], [4.0]]


@pytest.mark.parametrize(
    ("texts", "made", "words"),
    [
        (None, [[1.0]], "texts are embedded, not NoneType None: give one, or a list"),
        (["a"], None, "NoneType None came back, and no list of numbers for each text"),
        (["a", "b"], [1.0, 2.0], "list [1.0, 2.0] came back, and no list of numbers for each text"),
    ],
)
async def test_what_cannot_be_embedded_or_is_no_vector_is_told(embed, texts, made, words):
    with pytest.raises(ModelError) as raised:
        await embed(texts, lambda listed: made)
    assert words in str(raised.value)
