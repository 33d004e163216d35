"""What a strategy may ask besides the run's own proposer: other kinds, other candidates, advice, guards."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from landscape import SEED, Writer, awaited_height, height, told

from optimizers.budget import Budget
from optimizers.candidate import Advice, Candidate, Proposal, Rejected
from optimizers.conversation import asked, together
from optimizers.driver import Driver, Splits
from optimizers.driving.asking import Asking
from optimizers.driving.events import Advised
from optimizers.effects import Consult, Evaluate, Propose
from optimizers.journal import Journal
from tracelib.errors import ModelCallError, OptimizerError
from tracelib.llm.reply import Reply
from tracelib.testing import ScriptedModel

SPLITS = Splits(train=3, validation=2)


class Swap:
    """Takes one value from each of the other candidates; asks nobody."""

    def choose(self, request: Propose, rng: Any) -> Proposal:
        return Proposal({"c": request.others[0].values["c"]}, "taken from the other")


class Critics:
    """Asks three questions at once, then one that quotes what they said."""

    def converse(self, request: Propose, check: Any) -> Any:
        said = yield [[{"role": "user", "content": f"critic {n}"}] for n in range(3)]
        (reply,) = yield [[{"role": "user", "content": json.dumps(said)}]]
        return check(Proposal(json.loads(reply), " ".join(said)).said_in(reply))


class Counselling:
    def advise(self, request: Consult) -> Any:
        (reply,) = yield [[{"role": "user", "content": f"{request.kind} {request.nth}"}]]
        if reply == "?":
            return Advice(reply=reply, problem="it says nothing")
        return Advice(tuple(reply.split(",")), reply)


def run(strategy: Any, asking: Asking | None, evaluate: Any = height, **choices: Any) -> Any:
    return Driver(evaluate, asking, **{"executor": 2, **choices}).run(strategy, SEED, SPLITS)


def test_a_request_of_another_kind_is_answered_by_that_kinds_proposer_and_others_become_parents() -> None:
    other = SEED.edit({"c": "b"}, "by hand")
    seen = []

    def strategy(seed: Candidate, train: int, validation: int, rng: Any) -> Any:
        kid = yield Propose(seed, kind="merge", others=(other,))
        seen.append(kid)
        return kid

    run(strategy, Asking(None, None, others={"merge": Swap()}))
    assert seen[0].values == {**SEED.values, "c": "b"}
    assert seen[0].parents == (SEED.id, other.id)


def test_a_kind_that_nobody_answers_is_an_error_that_names_those_there_are() -> None:
    def strategy(seed: Candidate, train: int, validation: int, rng: Any) -> Any:
        yield Propose(seed, kind="paraphrase")

    with pytest.raises(OptimizerError, match=r"kind 'paraphrase'.*'merge'"):
        run(strategy, Asking(Writer(), None, others={"merge": Swap()}))


@pytest.mark.parametrize("evaluate", [height, awaited_height])
def test_a_conversation_asks_several_questions_at_once(evaluate: Any) -> None:
    barrier, heard = threading.Barrier(3), []

    def model(messages: Any) -> str:
        text = messages[0]["content"]
        if text.startswith("critic"):
            if evaluate is height:
                barrier.wait(20)
            return text.upper()
        heard.append(json.loads(text))
        return '{"n": 4}'

    def strategy(seed: Candidate, train: int, validation: int, rng: Any) -> Any:
        return (yield Propose(seed))

    outcome = run(strategy, Asking(Critics(), ScriptedModel(model)), evaluate, executor=3)
    assert heard == [["CRITIC 0", "CRITIC 1", "CRITIC 2"]]
    assert outcome.winner.values["n"] == 4
    assert (outcome.spent.proposals, outcome.spent.calls) == (1, 4)


def test_a_question_that_gets_no_reply_rejects_the_proposal_of_its_conversation() -> None:
    def model(messages: Any) -> str:
        if messages[0]["content"] == "critic 1":
            raise ModelCallError("the line is dead")
        return "{}"

    made = []

    def strategy(seed: Candidate, train: int, validation: int, rng: Any) -> Any:
        made.append((yield Propose(seed)))
        return seed

    run(strategy, Asking(Critics(), ScriptedModel(model)))
    assert isinstance(made[0], Rejected)
    assert "the line is dead" in made[0].problem


def consulting(seed: Candidate, train: int, validation: int, rng: Any) -> Any:
    good, bad = yield [Consult(seed, "reasons"), Consult(seed, "reasons", nth=1)]
    yield Evaluate(seed.edit({"n": len(good.texts)}, "; ".join(good.texts) + str(bad.problem)), "train", (0,))
    return seed


def answering(messages: Any) -> Reply:
    return Reply("?" if messages[0]["content"].endswith("1") else "a,b,c")


def test_advice_is_heard_counted_as_a_call_and_an_unusable_one_is_kept_with_its_problem(tmp_path) -> None:
    heard = []
    asking = Asking(None, ScriptedModel(answering), others={"reasons": Counselling()})
    outcome = run(consulting, asking, callbacks=[heard.append], budget=Budget(proposals=0))
    (tried,) = [one for one in outcome.archive.candidates if one != SEED]
    assert (tried.values["n"], tried.note) == (3, "a; b; cit says nothing")
    assert [one.problem for one in outcome.archive.rejected] == ["it says nothing"]
    assert [event.advice.texts for event in heard if isinstance(event, Advised)] == [("a", "b", "c"), ()]
    assert outcome.spent.calls == 2


def test_advice_of_an_interrupted_run_is_not_asked_for_again(tmp_path) -> None:
    def go(model: Any) -> dict[str, Any]:
        asking = Asking(None, model, others={"reasons": Counselling()})
        with Journal(tmp_path / "run.jsonl", {}) as journal:
            return told(run(consulting, asking, journal=journal))

    first = go(ScriptedModel(answering))
    silent = ScriptedModel([])
    assert go(silent) == first
    assert silent.questions == []


def test_proposals_and_advice_asked_of_the_wrong_one_are_errors() -> None:
    def wrong(effect: Any) -> Any:
        def strategy(seed: Candidate, train: int, validation: int, rng: Any) -> Any:
            yield effect

        return strategy

    asking = Asking(Writer(), ScriptedModel(answering), others={"reasons": Counselling(), "merge": Swap()})
    with pytest.raises(OptimizerError, match="'merge' makes proposals, and was asked for advice"):
        run(wrong(Consult(SEED, "merge")), asking)
    with pytest.raises(OptimizerError, match="'reasons' gives advice, and was asked for a proposal"):
        run(wrong(Propose(SEED, kind="reasons")), asking)


def test_a_guard_refuses_what_the_parameters_would_take_and_the_model_may_repair_it() -> None:
    class Small:
        def problem(self, path: str, value: Any, request: Propose) -> str | None:
            return f"{path} may not be {value}" if path == "n" and value > 5 else None

    def strategy(seed: Candidate, train: int, validation: int, rng: Any) -> Any:
        return (yield Propose(seed))

    model = ScriptedModel(['{"n": 9}', '{"n": 5}'])
    outcome = run(strategy, Asking(Writer(), model, guards=[Small()]))
    assert outcome.winner.values["n"] == 5
    assert "n may not be 9" in model.questions[1][-1]["content"]


def test_talks_in_step_ask_together_and_each_hears_its_own_replies() -> None:
    requests = [Propose(SEED, nth=n) for n in range(3)]
    talk = together([asked(Writer(), request, lambda one: one) for request in requests])
    first = next(talk)
    assert [json.loads(one[0]["content"])["nth"] for one in first] == [0, 1, 2]
    second = talk.send(['{"n": 1}', "{", '{"n": 3}'])
    assert [one[-1]["content"].split(":")[0] for one in second] == ["repair"]
    with pytest.raises(StopIteration) as end:
        talk.send(['{"n": 2}'])
    assert [one.values for one in end.value.value] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_no_talks_are_over_at_once() -> None:
    with pytest.raises(StopIteration) as end:
        next(together([]))
    assert end.value.value == []


def test_an_async_run_comes_to_the_same(tmp_path) -> None:
    asking = Asking(None, ScriptedModel(answering), others={"reasons": Counselling()})
    expected = told(run(consulting, asking))
    driver = Driver(awaited_height, asking, executor=2)
    assert told(asyncio.run(driver.arun(consulting, SEED, SPLITS))) == expected
