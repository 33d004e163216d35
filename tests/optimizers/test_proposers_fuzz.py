"""Whatever a model replies, a value stays as it was or fits its parameter; raw text is never adopted."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proposing import ANSWERS, CASES, CONVERSATIONS, COUNSELS, Capitals, held, sections_of, suggested

from optimizers.candidate import Proposal
from optimizers.effects import Propose
from optimizers.evidence.display import plain
from optimizers.proposers.demonstrations import Demonstrations
from optimizers.roles import Proposer
from optimizers.rollout import Rollout
from tracelib.errors import ConstraintError
from tracelib.feedback.feedback import Feedback
from tracelib.graph.constraint import decode

HOSTILE = {
    "instruct": 'Say "def f(): {x}" or TERMINATE }{ ```json {"suggestion": {"instruct": "inner"}} ``` <keep>',
    "demos": [{"suggestion": {"instruct": "inner"}}, "TERMINATE", "}{", ["def"]],
    "tidy": "def tidy(text):\n    return '{\"suggestion\": {}}' + 'TERMINATE' + f'{text}'",
}
SOURCE = '{"reasoning": "say {less}: TERMINATE", "suggestion": %s}'

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["instruct", "demos", "tidy", "nobody", "instruct ", "suggestion"])
around = st.text(max_size=20)
replies = st.one_of(
    st.text(max_size=80),
    st.tuples(
        st.text(max_size=20), st.dictionaries(names, json_values, max_size=3), st.text(max_size=20)
    ).map(lambda parts: parts[0] + json.dumps({"suggestion": parts[1]}) + parts[2]),
    st.dictionaries(st.sampled_from(["suggestion", "reasons", "summary", "feedback"]), json_values).map(
        json.dumps
    ),
)


def is_json(value: Any) -> bool:
    """Whether JSON can hold a value: it has no infinity."""
    return "Infinity" not in json.dumps(value)


def checked(world: Capitals, proposal: Proposal) -> Proposal:
    """The proposal with its values as the parameters would take them."""
    try:
        values = {name: plain(decode(world.parameters[name], one)) for name, one in proposal.values.items()}
    except ConstraintError as error:
        return replace(proposal, problem=str(error))
    return replace(proposal, values=values)


def is_sound(world: Capitals, proposal: Proposal, replies: list[str]) -> bool:
    """Nothing, or values that the parameters take, none of which is a whole reply."""
    if proposal.problem is not None:
        return True
    assert set(proposal.values) <= set(world.parameters)
    for name, value in proposal.values.items():
        decode(world.parameters[name], value)
        assert value not in replies
    return True


def hostile_reply(proposer: Any, request: Propose) -> str:
    return SOURCE % json.dumps({name: HOSTILE[name] for name in proposer.offered(request)})


@pytest.mark.parametrize("name", CASES)
def test_a_reply_cut_at_any_byte_proposes_nothing(name: str) -> None:
    world = Capitals()
    proposer, request = CASES[name].proposer(world), CASES[name].asked(world)
    whole = hostile_reply(proposer, request).encode()
    assert proposer.parse(whole.decode(), request).problem is None
    for end in range(len(whole)):
        reply = whole[:end].decode(errors="ignore")
        proposal = proposer.parse(reply, request)
        assert (dict(proposal.values), bool(proposal.problem), proposal.reply) == ({}, True, reply)


@pytest.mark.parametrize("name", CASES)
def test_braces_code_and_protocol_words_in_values_are_only_text(name: str) -> None:
    world = Capitals()
    proposer, request = CASES[name].proposer(world), CASES[name].asked(world)
    reply = hostile_reply(proposer, request)
    bare = proposer.parse(reply, request)
    assert bare.problem is None
    for path in proposer.offered(request):
        kept = bare.values[path]
        assert HOSTILE[path] in kept if isinstance(kept, str) else HOSTILE[path] == kept
    for around in ("Sure {{!}} TERMINATE\n%s\nDone.", "```json\n%s\n```", "<think>{'a': 1}</think>%s"):
        assert proposer.parse(around % reply, request).values == bare.values


UNUSABLE = [
    "",
    " \n",
    "TERMINATE",
    "def tidy(text):\n    return text",
    "Use this prompt: Answer in one word.",
    "```\nAnswer in one word.\n```",
    "{}",
    "[]",
    "null",
    '{"suggestion": null}',
    '{"suggestion": "Answer in one word."}',
    '{"suggestion": ["Answer in one word."]}',
    '{"suggestion": {"nobody": "x"}}',
    '{"suggestion": {"suggestion": {"instruct": "x"}}}',
    '{"answer": {"instruct": "x"}}',
    '{"suggestion": {"instruct": null, "tidy": null}}',
    '{"suggestion": {"instruct": 7, "tidy": 7}}',
    '{"suggestion": {"instruct": "x"}, "suggestion": {}}',
    '{"suggestion": {"instruct": NaN}}',
    '{"reasoning": 3, "suggestion": {}}',
    "{" * 5_000,
    '{"suggestion":' * 2_000,
]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("reply", UNUSABLE, ids=range(len(UNUSABLE)))
def test_an_unusable_reply_proposes_nothing_and_says_why(name: str, reply: str) -> None:
    world = Capitals()
    proposer, request = CASES[name].proposer(world), CASES[name].asked(world)
    proposal = proposer.parse(reply, request)
    assert (dict(proposal.values), proposal.reply) == ({}, reply)
    assert proposal.problem
    assert proposer.repair(reply, proposal, request)[-2]["content"].strip()


@pytest.mark.parametrize("name", CASES)
@given(reply=replies)
@settings(max_examples=60, deadline=None)
def test_whatever_is_replied_a_value_stays_or_fits(name: str, reply: str) -> None:
    world = WORLD
    proposer, request = CASES[name].proposer(world), CASES[name].asked(world)
    assert is_sound(world, proposer.parse(reply, request), [reply])


WORLD = Capitals()


@pytest.mark.parametrize("name", COUNSELS)
def test_advice_cut_at_any_byte_gives_no_text(name: str) -> None:
    reply = ANSWERS[name]
    request = COUNSELS[name].consulted(WORLD)
    for end in range(len(reply)):
        cut = reply[:end]
        advice, _ = held(COUNSELS[name].proposer(WORLD).advise(request), lambda asked, cut=cut: cut)
        assert advice.texts == ()
        assert advice.problem


@pytest.mark.parametrize("name", COUNSELS)
@given(first=replies, second=replies)
@settings(max_examples=60, deadline=None)
def test_whatever_is_replied_advice_is_texts_or_a_problem(name: str, first: str, second: str) -> None:
    answers: Iterator[str] = iter([first, second])
    talk = COUNSELS[name].proposer(WORLD).advise(COUNSELS[name].consulted(WORLD))
    advice, rounds = held(talk, lambda asked: next(answers))
    assert len(rounds) <= 2
    assert bool(advice.texts) != (advice.problem is not None)
    assert all(isinstance(text, str) and text.strip() == text != "" for text in advice.texts)


@given(seed=st.integers(0, 10_000), drawn=st.lists(replies, min_size=1, max_size=8))
@settings(max_examples=80, deadline=None)
def test_whatever_critics_and_descent_reply_a_value_stays_or_fits(seed: int, drawn: list[str]) -> None:
    rng = random.Random(seed)
    given_back: list[str] = []

    def answer(question: Any) -> str:
        target = any(title.startswith("criticised") for title in sections_of(question[1]["content"]))
        usual = '{"feedback": "do better"}' if target else suggested(instruct="Name the city.")
        given_back.append(usual if rng.random() < 0.5 else rng.choice(drawn))
        return given_back[-1]

    request = CONVERSATIONS["textgrad"].asked(WORLD)
    conversation = CONVERSATIONS["textgrad"].proposer(WORLD)
    talk = conversation.converse(request, lambda proposal: checked(WORLD, proposal))
    proposal, _ = held(talk, answer)
    assert is_sound(WORLD, proposal, given_back)


@given(values=st.lists(json_values.filter(is_json), max_size=4), score=st.sampled_from([0.0, 1.0, None]))
@settings(max_examples=60, deadline=None)
def test_demonstrations_of_whatever_was_recorded_fit_their_parameter(values: list[Any], score: Any) -> None:
    seen = []
    for number, value in enumerate(values):
        run = WORLD.run("capital of Peru?", {"score": 1.0, "feedback": json.dumps(value)}, number)
        seen.append(Rollout(number, "train", score, Feedback.of(str(value)), run.evidence, None, str(value)))
    request = Propose(WORLD.candidate(), tuple(seen), nth=1)
    made = Demonstrations(WORLD.parameters, examples=values).choose(request, random.Random(0))
    assert is_sound(WORLD, made, [str(value) for value in values])


@pytest.mark.parametrize("name", CASES)
def test_without_the_parameters_at_hand_values_are_held_to_the_type_they_have(name: str) -> None:
    case, world = CASES[name], Capitals()
    proposer, request = case.made({}, **case.settings), case.asked(world)
    assert isinstance(proposer, Proposer)
    path = proposer.offered(request)[0]
    assert proposer.parse(suggested(**{path: 7}), request).problem
    assert proposer.parse(suggested(**{path: HOSTILE[path]}), request).problem is None
