from __future__ import annotations

import threading

import pytest

from optimizers.budget import Budget, Ledger
from optimizers.driving.door import _completion_limit, needs
from optimizers.rollout import Cost
from tracelib.errors import BudgetExhausted, OptimizerError
from tracelib.llm.cost import Price
from tracelib.llm.guard import Question


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_does_not_fit_is_refused_and_takes_nothing():
    ledger = Ledger(Budget(rollouts=5, proposals=2))
    ledger.reserve(rollouts=4)
    with pytest.raises(BudgetExhausted, match="budget of 5 rollouts has 1 left, the next step needs 2"):
        ledger.reserve(proposals=1, rollouts=2)
    assert ledger.spent.rollouts == 4
    assert ledger.spent.proposals == 0
    ledger.reserve(rollouts=1)


def test_a_released_reservation_can_be_taken_again():
    ledger = Ledger(Budget(rollouts=5))
    ledger.reserve(rollouts=5)
    ledger.release(rollouts=2)
    ledger.reserve(rollouts=2)
    assert ledger.spent.rollouts == 5


def test_settling_gives_back_what_a_call_did_not_use():
    ledger = Ledger(Budget(tokens=100, dollars=1.0))
    reserved = {"calls": 1, "tokens": 80, "dollars": 0.9}
    ledger.reserve(**reserved)
    ledger.settle(reserved, Cost(1, 30, 0.2))
    assert (ledger.spent.calls, ledger.spent.tokens) == (1, 30)
    assert ledger.spent.dollars == pytest.approx(0.2)
    ledger.reserve(tokens=70, dollars=0.8)


def test_what_a_model_did_not_say_stays_reserved_and_is_told_as_unknown():
    ledger = Ledger(Budget(tokens=100))
    reserved = {"calls": 1, "tokens": 80}
    ledger.reserve(**reserved)
    ledger.settle(reserved, Cost(1, None, None))
    assert ledger.spent.tokens is None
    assert ledger.spent.dollars is None
    with pytest.raises(BudgetExhausted):
        ledger.reserve(tokens=21)


def test_the_deadline_is_over_from_its_second_on():
    clock = Clock()
    ledger = Ledger(Budget(seconds=10), clock=clock)
    clock.now += 9.9
    ledger.check_deadline()
    clock.now += 0.1
    with pytest.raises(BudgetExhausted, match=r"10\.0 of 10 seconds are over"):
        ledger.check_deadline()


def test_time_is_held_back_too():
    clock = Clock()
    ledger = Ledger(Budget(seconds=10), clock=clock)
    clock.now += 8
    with ledger.holding(seconds=3), pytest.raises(BudgetExhausted, match="3 are held back"):
        ledger.check_deadline()
    ledger.check_deadline()


def test_work_that_was_done_can_be_counted_after_the_deadline():
    ledger = Ledger(Budget(seconds=1), elapsed=5.0)
    ledger.charge(Cost(1, 10, 0.5))
    assert ledger.spent.calls == 1


def test_time_of_earlier_sessions_counts():
    ledger = Ledger(Budget(seconds=10), elapsed=9.5, clock=(clock := Clock()))
    ledger.check_deadline()
    clock.now += 0.6
    with pytest.raises(BudgetExhausted):
        ledger.check_deadline()


def test_what_is_held_back_is_free_again_after_the_block():
    ledger = Ledger(Budget(rollouts=10))
    with ledger.holding(rollouts=4):
        ledger.reserve(rollouts=6)
        with pytest.raises(BudgetExhausted, match="4 are held back"):
            ledger.reserve(rollouts=1)
    ledger.reserve(rollouts=4)


def test_many_threads_together_never_take_more_than_the_limit():
    ledger, taken = Ledger(Budget(calls=500)), []

    def take():
        for _ in range(200):
            try:
                ledger.reserve(calls=1)
            except BudgetExhausted:
                return
            taken.append(1)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == ledger.spent.calls == 500


@pytest.mark.parametrize("limit", [-1, float("nan")])
def test_a_limit_is_zero_or_more(limit):
    with pytest.raises(OptimizerError, match="rollouts"):
        Budget(rollouts=limit)


def test_a_budget_and_what_was_spent_read_as_text():
    assert str(Budget(rollouts=500, dollars=1.5)) == "500 rollouts, 1.5 dollars"
    assert str(Budget()) == "no limit"
    ledger = Ledger(Budget(), clock=Clock())
    ledger.reserve(rollouts=1200, proposals=2, calls=2)
    ledger.settle({"calls": 1}, Cost(1, None, None))
    assert (
        str(ledger.spent) == "1,200 rollouts, 2 proposals, 2 model calls, tokens unknown, cost unknown, 0.0 s"
    )


def test_vectors_need_no_limit_on_a_reply() -> None:
    assert _completion_limit(Question("m", "p", [], {"api": "embeddings", "input": ["a"]})) == 0


def test_dollars_are_reserved_by_the_list_of_known_prices_too() -> None:
    ledger = Ledger(Budget(dollars=1.0))
    words = [{"role": "user", "content": "x" * 1000}]
    known = Question("gpt-4o-mini", "openai", words, {"max_tokens": 1000})
    assert 0.0006 < needs(known, ledger)["dollars"] < 0.001  # 1,000 tokens of a reply come to 0.0006
    with pytest.raises(OptimizerError, match="needs the price of 'mine'"):
        needs(Question("mine", "localhost:1", words, {"max_tokens": 1000}), ledger)


@pytest.mark.parametrize("limit", [-1, float("nan"), "10", True])
def test_a_limit_that_is_no_number_of_things_is_refused(limit):
    with pytest.raises(OptimizerError, match=r"Budget\(calls=.*\): a limit is a number, 0 or more, or None"):
        Budget(calls=limit)


def asking(part, **params):
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}]
    price = Price(input=1.0, output=1.0)
    return Question("any", "localhost:1", messages, {"max_tokens": 10, **params}, price)


def test_an_image_is_reserved_for_the_most_that_one_can_be_however_short_its_address():
    image = {"type": "image_url", "image_url": {"url": "https://x.y/z.png"}}
    amounts = needs(asking(image), Ledger(Budget(tokens=10, dollars=10)))
    assert 50_000 < amounts["tokens"] < 51_000
    assert amounts["dollars"] == pytest.approx(amounts["tokens"] / 1e6)
    assert needs(asking(image), Ledger(Budget(calls=1))) == {"calls": 1}


@pytest.mark.parametrize(
    ("part", "params", "said"),
    [
        ({"type": "file", "file": {"file_id": "f1"}}, {}, "given a file"),
        ({"type": "text", "text": "and?"}, {"previous_response_id": "r1"}, "given previous_response_id"),
        ({"type": "text", "text": "and?"}, {"conversation": "c1"}, "given conversation"),
    ],
)
def test_what_nobody_can_bound_is_refused_by_a_budget_in_tokens_or_dollars(part, params, said):
    for budget in (Budget(tokens=1_000_000), Budget(dollars=100)):
        with pytest.raises(OptimizerError, match=said):
            needs(asking(part, **params), Ledger(budget))
    assert needs(asking(part, **params), Ledger(Budget(calls=1))) == {"calls": 1}
