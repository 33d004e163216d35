"""The simulated model that optimizers are measured beside: it is fair to all, and named as what it is."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import optimizing
from benchmarks.harness import Row, exactly
from benchmarks.peers import PEERS, environments
from benchmarks.report import caveats, merged, verdict
from benchmarks.simulated.faults import STEPS, Knowing, Office, Task, needed_by
from benchmarks.simulated.oracle import HARD, Nature, Oracle, spoiled
from benchmarks.simulated.ran import BATCH, Place, Stopwatch, minibatches
from benchmarks.simulated.searching import STRATEGIES, Search
from benchmarks.simulated.serving import serving
from benchmarks.simulated.waiting import Waves
from benchmarks.simulated.world import RULES, SEED, SPLITS, World, applied, chance, known, prompt_with, sound
from benchmarks.sizes import SIZES
from optimizers import Pareto
from optimizers.candidate import Candidate
from optimizers.driving.events import CandidateMade, RolloutDone
from optimizers.effects import Job, Propose
from optimizers.rollout import Rollout
from tracelib.llm.message import system, user
from tracelib.llm.openai import OpenAIModel

NEEDS = "wrong, the answer ignored need:R01 need:R05"


def task(prompt: str, question: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": prompt}, {"role": "user", "content": question}]


def ours(prompt: str) -> list[dict[str, Any]]:
    record = f"The key of this record is abc.\n[abc] variable prompt: str\n{prompt}\n[abc] feedback\n{NEEDS}"
    return task('answer {"reasoning": "...", "suggestion": {"<variable>": 1}}', record)


def trace_opt(prompt: str) -> list[dict[str, Any]]:
    form = 'answer {"suggestion": {"name": 1}}'
    shown = (
        f"Now you see problem instance\n#Variables\n(str) str0={prompt}\n#Constraints\n\n#Feedback\n{NEEDS}"
    )
    return task(form, shown)


def textgrad(prompt: str) -> list[dict[str, Any]]:
    standing = "You are part of an optimization system that improves text (i.e., variable)."
    return task(standing, f"<VARIABLE>{prompt}</VARIABLE> {NEEDS}")


def gepa(prompt: str) -> list[dict[str, Any]]:
    told = "I provided an assistant with the following instructions to perform a task for me:"
    return [{"role": "user", "content": f"{told}\n```\n{prompt}\n```\n{NEEDS}"}]


ASKED = [ours, trace_opt, textgrad, gepa]


# The world


def test_the_seed_scores_nothing_and_all_rules_score_everything() -> None:
    world = World()
    assert (world.worth(SEED), world.worth(prompt_with(RULES))) == (0, 1)
    assert len(world.questions("TR")) == SPLITS["TR"]


def test_feedback_names_the_rules_that_were_ignored() -> None:
    world = World()
    question, needs = next(iter(world.needs.items()))
    said = world.said_of(f"ANSWER {question} applied={needs[0]}", question)
    assert known(" ".join(f"@{rule}@" for rule in needs[1:])) == {
        rule for rule in RULES if f"need:{rule}" in said
    }
    assert world.said_of(f"ANSWER {question} applied={','.join(needs)}", question) == "correct"


def test_a_loop_asks_the_same_questions_of_every_optimizer() -> None:
    first, again = minibatches(World(), 5), minibatches(World(), 5)
    assert first == again
    assert all(len(set(batch)) == BATCH for batch in first)


# The oracle


@pytest.mark.parametrize("asked", ASKED)
def test_a_proposer_is_recognised_and_its_reply_holds_a_sound_prompt(asked: Any) -> None:
    oracle = Oracle(Nature(fixes=1.0, forgets=0.0))
    reply = oracle(asked(prompt_with(["R02"])))
    assert prompt_with(["R01", "R02", "R05"]) in reply
    assert oracle.tally.calls == {"propose": 1}


def test_all_optimizers_meet_the_same_luck() -> None:
    replies = []
    for asked in ASKED:
        oracle = Oracle(Nature(seed=3, fixes=0.5, forgets=0.3))
        replies.append([known(oracle(asked(prompt_with(RULES[4:])))) for _ in range(10)])
    assert all(reply == replies[0] for reply in replies)
    assert len({frozenset(rules) for rules in replies[0]}) > 3


def test_what_is_asked_again_meets_new_luck_and_the_same_run_the_same() -> None:
    def run() -> list[str]:
        oracle = Oracle(HARD)
        return [oracle(task(prompt_with(RULES), "TR00")) for _ in range(30)]

    assert run() == run()
    assert len(set(run())) > 1


def test_noise_ignores_some_rules_and_adds_none() -> None:
    oracle, needs = Oracle(Nature(noise=0.5)), set(World().needs["TR00"])
    heard = [applied(oracle(task(prompt_with(RULES), "TR00"))) for _ in range(50)]
    assert all(rules <= needs for rules in heard)
    assert 0.3 < sum(len(rules) for rules in heard) / (50 * len(needs)) < 0.7


def test_a_proposer_that_only_rewords_changes_the_text_and_nothing_else() -> None:
    oracle, present = Oracle(Nature(idle=True)), prompt_with(["R02"])
    replies = {oracle(ours(present)) for _ in range(5)}
    assert len(replies) == 5
    assert all(known(reply) == {"R02"} for reply in replies)


def test_malformed_replies_come_at_the_rate_asked_for() -> None:
    oracle = Oracle(Nature(malformed=0.35))
    for _ in range(400):
        oracle(ours(SEED))
    assert 0.28 < oracle.tally.malformed / 400 < 0.42


@pytest.mark.parametrize("how", range(4))
def test_no_malformed_reply_is_a_sound_prompt(how: int) -> None:
    assert not sound(spoiled(f"Here it is:\n```\n{SEED}\n```", how))


def test_a_text_that_was_no_proposal_is_noticed_when_the_task_is_asked_by_it() -> None:
    oracle = Oracle(Nature())
    for prompt in (SEED, f"I would write: {SEED} and be done.", SEED[:30]):
        oracle(task(prompt, "TR00"))
    assert oracle.tally.adopted == [f"I would write: {SEED} and be done.", SEED[:30]]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_question_of_a_strategy_is_understood(name: str) -> None:
    found = Search(HARD, STRATEGIES[name](120), 120).found()
    tally = found.oracle.tally
    assert (tally.lost, tally.adopted) == (0, [])
    assert tally.calls["propose"] > 0
    assert found.result.spent.rollouts <= 120


# The server


def test_the_server_answers_as_the_oracle_does_and_counts() -> None:
    messages = [system(prompt_with(RULES)), user("TR00")]
    with serving(Nature()) as served, OpenAIModel("simulated", base_url=served.url, api_key="none") as model:
        reply = model.ask(messages)
        tally, bodies = served.tally(), served.bodies()
    assert applied(reply.text) == set(World().needs["TR00"])
    assert (tally.calls["task"], tally.at_once, tally.lost) == (1, 1, 0)
    assert tally.tokens["task"] == reply.usage.prompt_tokens
    assert bodies[0]["messages"][1]["content"] == "TR00"


# What is made of it


def test_waves_are_counted_by_what_is_asked_at_once() -> None:
    candidate, waves = Candidate({"x": 1}), Waves()
    job = Job(candidate, "train", 0, 0, False)
    rollout = RolloutDone(job, Rollout(0, "train", 1.0), None)  # type: ignore[arg-type]
    made = CandidateMade(Propose(candidate), candidate)
    for event in [rollout] * 9 + [made] + [rollout] * 3:
        waves(event)
    assert waves.sizes == [9, 1, 3]
    assert waves.seconds == pytest.approx(0.4)


def test_a_step_that_raises_is_a_figure_and_the_loop_goes_on() -> None:
    watch = Stopwatch()
    watch.tried(lambda: [][0])
    watch.tried(lambda: None)
    assert watch.ran("").failures == ["IndexError: list index out of range"]


@pytest.mark.parametrize("branches", [True, False])
def test_only_the_step_at_fault_can_be_mended(branches: bool) -> None:
    task = Task(2, branches)
    assert task.faulty == STEPS[2]
    questions = task.examples("VA")

    def score(office: Office) -> float:
        outputs = [(office(question), question) for question, _ in questions]
        return sum(task.judged(str(said), question).score or 0 for said, question in outputs) / len(questions)

    office = Office(task)
    for name in STEPS:
        before = score(office)
        getattr(office, name).update(prompt_with(RULES), "all rules")
        assert (score(office) > before) == (name == task.faulty)
    assert score(office) == 1


def test_knowing_the_fault_takes_fewer_rollouts_than_taking_turns() -> None:
    task = Task(3, branches=True)
    known_step = Pareto(steps=300, picking=Knowing(task.faulty))
    assert needed_by(known_step, task) < needed_by(Pareto(steps=300), task) < 3_000


def test_figures_of_the_simulated_model_are_never_shown_without_their_caveats() -> None:
    rows = [Row("simulated OptoPrime loop, score", "simulated score", exactly(1.0))]
    assert "is simulated" in caveats(rows)
    assert "nothing about the quality of" in caveats(rows)
    assert caveats([Row("call, an int", "call", exactly(1.0))]) == ""
    assert verdict(rows[0]) == "-"


def test_rows_of_a_peer_from_two_tables_are_one() -> None:
    a, b = (Row(name, "call", exactly(1.0)) for name in "ab")
    assert merged({"gepa": {"a": a}}, {"gepa": {"b": b}, "textgrad": {"b": b}}) == {
        "gepa": {"a": a, "b": b},
        "textgrad": {"b": b},
    }


# Environments of peers; nothing is downloaded here


def test_an_interpreter_that_has_the_peer_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, _ in PEERS.values():
        (tmp_path / f"{package}.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert environments.interpreters([sys.executable]) == dict.fromkeys(PEERS, sys.executable)


def test_an_environment_that_was_made_is_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for peer in PEERS:
        home = environments.folder() / peer
        home.mkdir(parents=True)
        (home / "installed.txt").write_text((environments.REQUIREMENTS / f"{peer}.txt").read_text())
    found = environments.interpreters([])
    assert list(found) == list(PEERS)
    assert all(Path(python).is_relative_to(tmp_path) for python in found.values())


def test_chance_is_a_number_in_0_to_1_spread_evenly() -> None:
    drawn = [chance("a", n) for n in range(2_000)]
    assert 0.45 < sum(drawn) / len(drawn) < 0.55
    assert all(0 <= one < 1 for one in random.Random(0).sample(drawn, 50))


def test_without_feedback_the_proposer_guesses_and_with_praise_it_does_not() -> None:
    oracle = Oracle(Nature(guesses=1.0, forgets=0.0))
    silent, praised = (
        ours(SEED)[1]["content"].replace(NEEDS, said) for said in ("(nothing was said)", "correct")
    )
    standing = ours(SEED)[0]["content"]
    assert known(oracle(task(standing, silent))) == set(RULES)
    assert known(oracle(task(standing, praised))) == set()


def test_a_child_of_several_parents_has_the_rules_of_all() -> None:
    record = (
        "The key of this record is abc.\n"
        f"[abc] parent 1, variable prompt: str\n{prompt_with(['R01'])}\n"
        f"[abc] parent 2, variable prompt: str\n{prompt_with(['R02'])}"
    )
    reply = Oracle(Nature(forgets=0.0))(task(ours(SEED)[0]["content"], record))
    assert json.loads(reply)["suggestion"] == {"prompt": prompt_with(["R01", "R02"])}


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ('{"reasons": ["<one reason>"]}', {"reasons": ["need:R01", "need:R05"]}),
        ('{"feedback": "<what should be different>"}', {"feedback": "need:R01 need:R05"}),
    ],
)
def test_a_critic_says_what_the_feedback_says(form: str, said: dict[str, Any]) -> None:
    oracle = Oracle(Nature())
    assert json.loads(oracle(task(form, ours(SEED)[1]["content"]))) == said
    assert oracle.tally.calls == {"advise": 1}


def test_a_rule_is_what_the_present_text_lacks() -> None:
    form = '{"reasoning": "...", "suggestion": {"<variable>": "<a rule>"}}'
    asked = task(form, ours(prompt_with(["R01"]))[1]["content"])
    reply = json.loads(Oracle(Nature(fixes=1.0))(asked))
    assert reply["suggestion"] == {"prompt": "@R05@"}
    assert sound(f"{SEED}\n\n@R05@")


def test_where_no_peer_can_be_had_there_is_none_beside_ours() -> None:
    assert optimizing.theirs(SIZES["tiny"], {}) == {}


def test_a_peer_is_run_by_its_own_interpreter_and_what_it_breaks_is_told(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such peer >&2\nexit 3\n")
    python.chmod(0o755)
    found = optimizing.theirs(SIZES["tiny"], {"gepa": str(python)})
    assert {row.note for row in found["gepa"].values()} == {"RuntimeError: gepa ended with 3: no such peer"}
    assert all(verdict(row) == "FAILED" for row in found["gepa"].values())


def test_a_place_is_told_to_another_process_as_text() -> None:
    place = Place("http://127.0.0.1:80/v1", 3)
    assert Place.of(str(place)) == place
    assert place.world == World(3)
