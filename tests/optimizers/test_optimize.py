from __future__ import annotations

import json
from typing import Literal

import pytest
from training import TRIPLES, Line, near, shout

from optimizers import optimize
from optimizers.budget import Budget
from optimizers.policies.stopping import ScoreReached
from optimizers.search import RandomSearch
from optimizers.strategies.gated import Gated
from tracelib.errors import OptimizerError, SandboxUnavailable
from tracelib.graph.bundle import bundle
from tracelib.graph.module import model
from tracelib.graph.node import node
from tracelib.testing import ScriptedModel

WORDS = ["please", "thanks", "sorry"]


def suggesting(**values):
    """A model that suggests these values, of those variables that it is asked about."""

    def said(messages):
        asked = "\n".join(message["content"] for message in messages)
        chosen = {name: value for name, value in values.items() if f"] variable {name}:" in asked}
        return json.dumps({"reasoning": "it is nearer", "suggestion": chosen})

    return ScriptedModel(said)


def polite(text, word):
    """Whether a text has a word."""
    return word in text


# A text


def test_a_text_is_improved_by_a_metric_that_hears_each_example():
    model = suggesting(text="please, thanks and sorry")
    result = optimize("no", WORDS, polite, llm=model)
    assert result.best == {"text": "please, thanks and sorry"}
    assert (result.validation.before.mean, result.validation.after.mean) == (0.0, 1.0)
    assert result.programs == {}
    assert any("flatters" in note for note in result.notes)


def test_a_text_without_examples_is_the_whole_task():
    model = suggesting(text="abcdef")
    result = optimize("abc", metric=len, llm=model, stopping=[ScoreReached(6)])
    assert result.best == {"text": "abcdef"}
    assert not any("flatters" in note for note in result.notes)


def test_a_model_is_shown_the_text_each_example_and_the_objective_and_no_answer_that_nobody_gave():
    model = suggesting(text="please")
    optimize("no", WORDS, polite, llm=model, objective="Be polite.", strategy=Gated(batch=3, steps=1))
    asked = "\n".join(message["content"] for message in model.questions[0])
    assert "Be polite." in asked
    assert all(word in asked for word in WORDS)
    assert "expected" not in asked


def test_without_a_text_the_objective_says_what_is_wanted():
    model = suggesting(text="hello")
    result = optimize(None, metric=len, llm=model, objective="Greet.", strategy=Gated(steps=1))
    assert result.seed == {"text": ""}
    assert result.best == {"text": "hello"}


def test_validation_decides_for_a_text_too():
    model = suggesting(text="please")
    result = optimize("no", ["please"], polite, llm=model, validation=["thanks"], test=["please"])
    assert result.best == {"text": "no"}
    assert result.test.before.mean == 0.0


# A config


def test_a_config_is_a_parameter_for_each_entry_and_searched_where_all_have_a_space():
    kind = node("linear", trainable=True, constraint=Literal["linear", "cubic"])
    config = {"kind": kind, "bias": True, "fixed": node([1, 2])}
    heard = []

    def metric(config):
        heard.append(config)
        return (config["kind"] == "cubic") + (not config["bias"])

    result = optimize(config, metric=metric)
    assert result.best == {"kind": "cubic", "bias": False}
    assert heard[0] == {"fixed": [1, 2], "kind": "linear", "bias": True}
    assert type(heard[0]["kind"]) is str
    assert kind.data == "cubic"


def test_a_config_of_any_values_is_rewritten_by_a_model():
    model = suggesting(retries=3, hosts=["a", "b"])
    result = optimize(
        {"retries": 1, "hosts": ["a"]},
        ["a", "b"],
        lambda config, host: {"score": config["retries"] / 3 * (host in config["hosts"])},
        llm=model,
    )
    assert result.best == {"retries": 3, "hosts": ["a", "b"]}


def test_a_config_keeps_the_types_of_its_values():
    result = optimize({"retries": 2}, metric=lambda config: config["retries"], llm=suggesting(retries="9"))
    assert result.best == {"retries": 2}
    assert {trial.status for trial in result.history} == {"seed", "rejected"}


# A program


def test_a_program_with_spaces_is_searched_and_changed_in_place():
    line = Line()
    result = optimize(line, TRIPLES[:4], near, strategy=RandomSearch(trials=200), validation=TRIPLES[4:8])
    assert (line.slope.data, line.offset.data) == (3, 2)
    assert result.programs["slope"].endswith(":Line")


def test_a_program_is_improved_by_a_model():
    line = Line()
    optimize(line, TRIPLES[:4], near, llm=suggesting(slope=3, offset=2), validation=TRIPLES[4:8])
    assert (line.slope.data, line.offset.data) == (3, 2)


@model
class Speaker:
    """Says what it is told to say."""

    def __init__(self):
        self.words = node("no", trainable=True)

    @bundle
    def __call__(self):
        """The words, said aloud."""
        return str(self.words) + "!"


def test_a_program_that_needs_no_arguments_needs_no_examples():
    speaker = Speaker()
    result = optimize(speaker, metric=len, llm=suggesting(words="please"))
    assert (result.best, speaker.words.data) == ({"words": "please"}, "please")
    assert not any("flatters" in note for note in result.notes)


def test_code_of_a_program_is_written_by_a_model_where_a_sandbox_runs_it():
    model = suggesting(shout="def shout(text):\n    return text.upper()")
    right = lambda out, want: out == want  # noqa: E731
    with pytest.raises(SandboxUnavailable, match="there is no sandbox 'none such'"):
        optimize(shout, [("a", "A")], right, llm=model, sandbox="none such")
    result = optimize(shout, [("a", "A")], right, llm=model)
    assert shout("b").data == "B"
    result.undo()


# What holds for all of them


def test_the_choices_of_a_trainer_are_taken(tmp_path):
    heard, path = [], tmp_path / "run.jsonl"
    choices = {"budget": Budget(rollouts=4), "callbacks": [heard.append], "seed": 3, "executor": 1}
    for _ in range(2):
        model = suggesting(text="please")
        result = optimize("no", WORDS, polite, llm=model, resume=path, **choices)
        assert result.spent.rollouts <= 4
    assert model.asked == []
    assert heard[0].name == "run_started"


def test_an_example_on_which_the_metric_fails_is_recorded_and_never_scored():
    def metric(text, word):
        if word == "sorry":
            raise LookupError("no such word")
        return word in text

    result = optimize("no", WORDS, metric, llm=suggesting(text="please"), strategy=Gated(steps=1))
    assert (result.validation.failed_before, result.validation.before.n) == (1, 2)


async def test_an_async_metric_judges_a_text():
    async def metric(text):
        return len(text)

    assert optimize("ab", metric=metric, llm=suggesting(text="abc"), strategy=Gated(steps=1)).improved


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("text", None, None), "optimize needs a metric"),
        ((None, None, len), "nothing to begin with"),
        ((3, None, len), "3 cannot be optimized: give a program, a text"),
        (({}, None, len), "a config is a dict with texts as keys"),
        (({1: 2}, None, len), "a config is a dict with texts as keys"),
        ((Line(), None, near), r"a program that needs arguments \(missing a required argument: 'x'\): give"),
        ((near, TRIPLES, near), "has no parameters to train"),
    ],
)
def test_arguments_that_make_no_sense_are_told_so(arguments, said):
    with pytest.raises(OptimizerError, match=said):
        optimize(*arguments)
