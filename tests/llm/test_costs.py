from __future__ import annotations

import subprocess
import sys

import pytest

from tracelib.errors import ModelError
from tracelib.llm.completion import read_usage
from tracelib.llm.cost import Price, most_dollars
from tracelib.llm.guard import Question
from tracelib.llm.known import SOURCE, known_cost
from tracelib.llm.model import CallableModel, Reply, Usage
from tracelib.testing import ScriptedModel

CHAT = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 20},
}
RESPONSES = {
    "input_tokens": 100,
    "output_tokens": 50,
    "total_tokens": 150,
    "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
    "output_tokens_details": {"reasoning_tokens": 20},
}


@pytest.mark.parametrize("told", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_usage_is_read_in_both_vocabularies_and_kept_raw(told):
    assert read_usage(told) == Usage(100, 50, 150, 40, 10, 20, raw=told)


@pytest.mark.parametrize(
    "told", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": "many"}, {"total_tokens": True}]
)
def test_what_the_endpoint_does_not_count_is_unknown(told):
    usage = read_usage(told)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (None, None, None)
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (None, None, None)


def test_zero_tokens_are_known():
    assert read_usage({"prompt_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}).cached_tokens == 0
    assert read_usage({"prompt_tokens": 0}).prompt_tokens == 0


@pytest.mark.parametrize(
    ("price", "dollars"),
    [
        (Price(2, 8), (100 * 2 + 50 * 8) / 1e6),
        (Price(2, 8, cached=0.5), (60 * 2 + 40 * 0.5 + 50 * 8) / 1e6),
        (Price(2, 8, cached=0.5, cache_write=2.5), (50 * 2 + 40 * 0.5 + 10 * 2.5 + 50 * 8) / 1e6),
    ],
)
def test_a_price_is_per_million_tokens_of_each_kind(price, dollars):
    assert price.of(read_usage(CHAT)) == pytest.approx(dollars)


@pytest.mark.parametrize("usage", [Usage(), Usage(prompt_tokens=5), Usage(completion_tokens=5)])
def test_a_cost_of_unknown_tokens_is_unknown(usage):
    assert Price(1, 1).of(usage) is None


def test_a_cost_of_counts_that_do_not_add_up_is_unknown():
    assert Price(10, 1, cached=1).of(Usage(5, 1, 6, cached_tokens=1000)) is None
    assert Price(10, 1, cached=1).of(Usage(1000, 1, 1001, cached_tokens=1000)) == pytest.approx(1001 / 1e6)


def asking(price=None, model="gpt-4o-mini", provider="openai"):
    return Question(model, provider, [{"role": "user", "content": "x"}], {}, price)


@pytest.mark.parametrize(
    ("price", "dollars"),
    [
        (Price(2, 8), 100 * 2 + 50 * 8),
        (Price(2, 8, cached=0.5), 100 * 2 + 50 * 8),
        (Price(2, 8, cached=0.5, cache_write=2.5), 100 * 2.5 + 50 * 8),
        (None, 100 * 0.15 + 50 * 0.6),
    ],
)
def test_the_most_that_a_question_can_cost_is_known_before_it_is_asked(price, dollars):
    assert most_dollars(asking(price), 100, 50) == pytest.approx(dollars / 1e6)


@pytest.mark.parametrize("told", [{"model": "no-such-model"}, {"provider": "localhost:1"}])
def test_where_no_price_is_known_nobody_knows_the_most_either(told):
    assert most_dollars(asking(**told), 100, 50) is None


REPLY = Reply("x", read_usage(CHAT))


def cost(prices, name="asked", reply=REPLY):
    return ScriptedModel([reply], name, prices=prices).ask("x").cost


def test_a_cost_without_a_price_is_unknown_and_not_zero():
    assert cost(None) is None
    assert cost({"other": {"input": 1, "output": 1}}) is None


def test_a_free_model_costs_zero():
    assert cost({"asked": {"input": 0, "output": 0}}) == 0


def test_the_price_of_the_model_that_answered_goes_before_that_of_the_one_asked():
    dated = Reply("x", read_usage(CHAT), model="asked-2026-01-01")
    table = {"asked": Price(1, 1), "asked-2026-01-01": Price(2, 2)}
    assert cost(table, reply=dated) == pytest.approx(300 / 1e6)
    assert cost({"asked": Price(1, 1)}, reply=dated) == pytest.approx(150 / 1e6)


def test_a_cost_that_came_with_the_reply_stands():
    assert cost({"asked": Price(1, 1)}, reply=Reply("x", read_usage(CHAT), cost=0.25)) == 0.25


@pytest.mark.parametrize(
    "price",
    [
        {"input": 1},
        {"in": 1, "out": 2},
        3,
        {"input": "1", "output": 2},
        {"input": -1, "output": 2},
        {"input": 1, "output": float("nan")},
    ],
)
def test_a_price_of_another_shape_is_refused_in_words(price):
    with pytest.raises(ModelError, match=r"the price of 'asked' is .*dollars per million tokens"):
        cost({"asked": price})


def asked_of(provider, model="gpt-4o-mini", usage=None, **given):
    """A reply as it comes from a provider, with no price of the user's."""
    reply = Reply("x", usage or read_usage(CHAT), model=model, provider=provider, **given)
    return CallableModel(lambda messages: reply).ask("x")


def test_a_known_model_of_a_known_provider_has_a_price_by_the_list():
    reply = asked_of("openai")
    # gpt-4o-mini: 0.15 and 0.60 a million, 0.075 for cached tokens; reasoning tokens are among the 50.
    assert reply.cost == pytest.approx((60 * 0.15 + 40 * 0.075 + 50 * 0.6) / 1e6)
    assert reply.cost_source == SOURCE
    assert SOURCE.startswith("genai-prices 0.")


def test_cached_tokens_cost_less_and_reasoning_tokens_are_not_paid_twice():
    plain = Usage(1000, 500, 1500)
    dollars, _ = known_cost(plain, "gpt-4o-mini", "openai")
    assert dollars == pytest.approx((1000 * 0.15 + 500 * 0.6) / 1e6)
    assert known_cost(Usage(1000, 500, 1500, 0, 0, 400), "gpt-4o-mini", "openai")[0] == dollars
    cached, _ = known_cost(Usage(1000, 500, 1500, 600), "gpt-4o-mini", "openai")
    assert cached == pytest.approx((400 * 0.15 + 600 * 0.075 + 500 * 0.6) / 1e6)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("example.com", "gpt-4o-mini"),
        ("127.0.0.1:8000", "gpt-4o-mini"),
        ("localhost:11434", "gpt-4o-mini"),
        ("callable", "gpt-4o-mini"),
    ],
)
def test_an_unknown_model_or_host_has_no_price_and_none_is_guessed(provider, model):
    reply = asked_of(provider, model)
    assert (reply.cost, reply.cost_source) == (None, None)


@pytest.mark.parametrize("usage", [Usage(), Usage(10), Usage(completion_tokens=10), Usage(10, 5, 15, 400)])
def test_unknown_or_impossible_counts_have_no_price_by_the_list(usage):
    assert known_cost(usage, "gpt-4o-mini", "openai") == (None, None)


def test_a_reply_says_whose_price_it_was():
    assert ScriptedModel([REPLY], "m", prices={"m": Price(1, 1)}).ask("x").cost_source == "prices="
    assert asked_of("openai", cost=0.5).cost_source == "the endpoint"
    assert ScriptedModel([Reply("x")], "m", prices={"m": Price(1, 1)}).ask("x").cost_source is None


def test_a_users_price_goes_before_the_list():
    reply = Reply("x", read_usage(CHAT), model="gpt-4o-mini", provider="openai")
    priced = CallableModel(lambda messages: reply, prices={"gpt-4o-mini": Price(1, 1)}).ask("x")
    assert priced.cost == pytest.approx(150 / 1e6)


def test_without_the_extra_a_price_is_unknown():
    program = """
import sys
sys.modules["genai_prices"] = None
from tracelib.llm.model import CallableModel, Reply, Usage
reply = CallableModel(lambda messages: Reply("x", Usage(1, 1, 2), model="gpt-4o", provider="openai")).ask("x")
assert reply.cost is None, reply
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_list_is_not_loaded_where_no_price_is_looked_for():
    program = """
import sys
from tracelib.testing import ScriptedModel
ScriptedModel(["x"]).ask("x")
assert "genai_prices" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
