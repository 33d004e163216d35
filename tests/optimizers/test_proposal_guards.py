"""Guards refuse what parameters would take; what they or the parameters refuse is repaired once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proposing import Capitals, suggested
from pydantic import Field

import tracelib as trace
from optimizers.budget import Budget
from optimizers.candidate import Candidate, Rejected
from optimizers.driver import Driver, Splits
from optimizers.driving.asking import Asking
from optimizers.effects import Propose
from optimizers.optoprime import OptoPrime
from optimizers.policies.copying import NoCopy
from optimizers.policies.guard import Guard
from optimizers.policies.keep import Keep
from optimizers.policies.length import Length
from optimizers.proposers.optoprime import OptoPrimePrompt
from optimizers.rollout import Rollout
from optimizers.trainer import Trainer
from tracelib.errors import OptimizerError
from tracelib.testing import ScriptedModel


def about(value: Any, *evidence: Rollout) -> Propose:
    """A request to change the parameter "p" that has this value."""
    return Propose(Candidate({"p": value}), evidence)


@pytest.mark.parametrize("guard", [Length(max_tokens=1), NoCopy(), Keep()])
def test_they_are_guards(guard: Any) -> None:
    assert isinstance(guard, Guard)


# --- length ---------------------------------------------------------------------------------------


def test_a_text_of_too_many_characters_is_refused_with_both_numbers() -> None:
    problem = Length(max_characters=10).problem("p", "a" * 11, about("short"))
    assert problem == "p is too long: 11 of at most 10 characters; make it shorter"
    assert Length(max_characters=10).problem("p", "a" * 10, about("short")) is None


def test_tokens_are_bounded_by_bytes_or_by_the_counter_that_is_given() -> None:
    assert "9 of at most 8 tokens" in str(Length(max_tokens=8).problem("p", "äöü€", about("")))
    assert Length(max_tokens=8, count=len).problem("p", "äöü€", about("")) is None
    assert "3 of at most 2" in str(
        Length(max_tokens=2, count=lambda text: len(text.split())).problem("p", "a b c", about(""))
    )


def test_a_text_may_grow_only_so_much_but_a_short_one_as_it_needs() -> None:
    guard = Length(growth=1.5, short=20)
    assert guard.problem("p", "a" * 20, about("short")) is None
    assert guard.problem("p", "a" * 150, about("a" * 100)) is None
    assert "since the present one has 100" in str(guard.problem("p", "a" * 151, about("a" * 100)))


def test_a_text_that_is_too_long_already_may_become_shorter() -> None:
    assert Length(max_characters=10).problem("p", "a" * 50, about("a" * 60)) is None
    assert Length(max_characters=10).problem("p", "b" * 60, about("a" * 60)) is not None


def test_lists_count_as_their_json() -> None:
    assert Length(max_characters=12).problem("p", ["abc", "def"], about([])) is not None
    assert Length(max_characters=14).problem("p", ["abc", "def"], about([])) is None


def test_a_length_that_bounds_nothing_is_an_error() -> None:
    with pytest.raises(OptimizerError, match="bounds nothing"):
        Length()


# --- copies ---------------------------------------------------------------------------------------

STORY = "The quick brown fox jumps over the lazy dog near the river bank"


def test_a_text_that_repeats_an_example_is_refused_with_the_passage() -> None:
    world = Capitals()
    request = about("Answer.", world.run(f"{STORY} Peru?", "no"))
    problem = NoCopy(n=5).problem("p", "Remember: the QUICK brown fox, jumps over the lazy dog!", request)
    assert "'the QUICK brown fox jumps over the lazy dog'" in str(problem)
    assert ": 83% of it stands there verbatim" in str(problem)
    assert NoCopy(n=5).problem("p", "Answer with the name of the capital and nothing else.", request) is None


def test_outputs_and_given_texts_count_and_what_the_old_value_had_does_not() -> None:
    shown = Rollout(0, "train", 0.0, output=STORY)
    assert NoCopy().problem("p", STORY, about("Answer.", shown)) is not None
    assert NoCopy(examples=[STORY]).problem("p", STORY, about("Answer.")) is not None
    assert NoCopy().problem("p", STORY + " today", about(STORY, shown)) is None
    assert NoCopy().problem("p", STORY, about("Answer.")) is None


def test_examples_may_have_any_form() -> None:
    for one in ((1, STORY), {"question": STORY}, [[STORY]], (STORY.replace(" ", "\n"), '"')):
        assert NoCopy(examples=[one]).problem("p", STORY, about("Answer.")) is not None


def test_the_share_says_how_much_may_be_copied() -> None:
    text = f"{STORY}. " + " ".join(f"word{n}" for n in range(60))
    request = about("Answer.", Rollout(0, "train", 0.0, output=STORY))
    assert NoCopy(share=0.2).problem("p", text, request) is None
    assert NoCopy(share=0.05).problem("p", text, request) is not None


def test_scripts_without_spaces_are_compared_by_character() -> None:
    request = about("答えて。", Rollout(0, "train", 0.0, output="東京は日本の首都であり、最大の都市です。"))
    assert "東 京" in str(NoCopy().problem("p", "東京は日本の首都であり、と言う", request))
    assert NoCopy().problem("p", "都市の名前だけを短く書きなさい", request) is None


def test_lists_of_worked_examples_may_repeat_them() -> None:
    assert NoCopy(examples=[STORY]).problem("p", [STORY], about([])) is None


@given(st.text(), st.text(), st.integers(1, 8))
def test_any_text_is_looked_at_without_an_error(new: str, seen: str, n: int) -> None:
    problem = NoCopy(n=n, examples=[seen], share=0.0).problem("p", new, about(""))
    assert problem is None or "verbatim" in problem


# --- what must stay -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("Be kind. <keep>Never\nlie.</keep>", "Be brief. <keep>Never\nlie.</keep>", None),
        ("Be kind. <keep>Never\nlie.</keep>", "Be brief. Never\nlie.", "<keep>Never"),
        ("<keep>a</keep> b <keep>c</keep>", "<keep>c</keep> <keep>a</keep>", None),
        ("Hello {{ name }}, {{- title -}}", "{{title}} {{name}}!", None),
        ("Hello {{ name }}!", "Hello name!", "{{ name }}"),
        ("Hello {name} of {place!r:>10}", "{place}: {name}", None),
        ("Hello {name}", "Hello {{name}}", "{name}"),
        ('Answer as {"city": "..."} or {}', "Answer in words", None),
        ("{user.name[first]} {0}", "{user.name}", "{user.name[first]}"),
        ("def f(x):\n    return f'{x} {y}'", "def f(x):\n    return x", None),
    ],
)
def test_marked_passages_and_placeholders_stay(old: str, new: str, lost: str | None) -> None:
    problem = Keep().problem("p", new, about(old))
    assert (problem is None) == (lost is None)
    assert lost is None or repr(lost)[1:-1] in str(problem)


def test_passages_named_by_the_user_stay_where_they_stood() -> None:
    guard = Keep({"p": ["Never lie.", "Be kind."], "q": "Stay."}, placeholders=False)
    assert guard.problem("p", "Be brief. Never lie.", about("Be kind. Never lie.")) == (
        "p has lost what must stay in it as it is: 'Be kind.'"
    )
    assert guard.problem("p", "Be brief. Never lie.", about("Never lie.")) is None
    assert guard.problem("q", "Go.", Propose(Candidate({"q": "Stay."}))) is not None
    assert guard.problem("p", "{name} is gone", about("Hello {other}")) is None


@given(st.text(), st.text())
def test_a_text_never_loses_anything_to_itself(old: str, new: str) -> None:
    assert Keep({"p": [new]}).problem("p", old, about(old)) is None


# --- refused and repaired -------------------------------------------------------------------------


@trace.model
class Program:
    """A prompt of a type, a number in a range, and a function."""

    def __init__(self) -> None:
        self.mode = trace.node("fast", trainable=True, constraint=Literal["fast", "deep"])
        self.top = trace.node(3, trainable=True, constraint=Annotated[int, Field(ge=1, le=9)])
        self.prompt = trace.node("Answer {question}", trainable=True)

    @trace.bundle(trainable=True)
    def clean(self, text):
        """Make it fit to be shown."""
        return text

    @trace.bundle
    def used(self, mode, top, prompt, question):
        """All at once."""
        return f"{mode}{top}{prompt}{question}"

    def __call__(self, question: str) -> Any:
        return self.clean(self.used(self.mode, self.top, self.prompt, question))


GOOD = {"prompt": "Answer {question} briefly"}


def trained(*replies: str, **choices: Any) -> tuple[Any, ScriptedModel]:
    """One proposal of OptoPrime for the program, and the model that was asked."""
    model = ScriptedModel(list(replies))
    made: list[Any] = []

    def strategy(seed: Candidate, train: int, validation: int, rng: Any) -> Any:
        made.append((yield Propose(seed)))
        return seed

    parameters = {one.name: one for one in Program().parameters()}
    asking = Asking(OptoPrimePrompt(parameters), model, guards=choices.get("guards", ()))
    seed = Candidate({name: one.data for name, one in parameters.items()})
    Driver(lambda job: Rollout(job.example, job.split, 0.0), asking).run(strategy, seed, Splits(1, 1))
    return made[0], model


def code_name() -> str:
    return next(one.name for one in Program().parameters() if one.is_code)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"mode": "slow"}, "'fast' or 'deep'"),
        ({"top": 12}, "less than or equal to 9"),
        ({"top": "3"}, "valid integer"),
        ({"prompt": ["Answer"]}, "holds str, the proposal is list"),
        ({"CODE": "def clean(self, text, more):\n    return text"}, "arguments"),
        ({"CODE": "def cleaned(self, text):\n    return text"}, "clean"),
        ({"CODE": "def clean(self, text)\n    return text"}, "does not parse"),
    ],
)
def test_a_change_of_type_constraint_or_signature_is_refused_and_repaired_once(
    bad: dict[str, Any], reason: str
) -> None:
    wrong = {code_name() if name == "CODE" else name: value for name, value in bad.items()}
    made, model = trained(suggested(**wrong), suggested(**GOOD))
    assert made.values["prompt"] == GOOD["prompt"]
    assert len(model.questions) == 2
    assert reason in model.questions[1][-1]["content"]
    again, model = trained(suggested(**wrong), suggested(**wrong))
    assert isinstance(again, Rejected)
    assert reason in again.problem
    assert len(model.questions) == 2


@pytest.mark.parametrize(
    ("guard", "value", "reason"),
    [
        (Length(max_characters=30), "Answer {question} at great length", "prompt is too long"),
        (Keep(), "Answer briefly", "prompt has lost what must stay in it as it is: '{question}'"),
        (NoCopy(examples=[STORY]), f"{{question}} {STORY}", "prompt copies from the examples"),
    ],
)
def test_what_a_guard_refuses_is_repaired_once(guard: Any, value: str, reason: str) -> None:
    made, model = trained(suggested(prompt=value), suggested(**GOOD), guards=[guard])
    assert made.values["prompt"] == GOOD["prompt"]
    assert reason in model.questions[1][-1]["content"]
    again, _ = trained(suggested(prompt=value), suggested(prompt=value), guards=[guard])
    assert isinstance(again, Rejected)
    assert reason in again.problem


def test_a_trainer_takes_guards() -> None:
    program = Program()
    program.prompt.update("Answer {question} <keep>now</keep>")
    model = ScriptedModel([suggested(prompt="Answer"), suggested(prompt="{question} <keep>now</keep>")])
    trainer = Trainer(
        program,
        OptoPrime([program.prompt], llm=model),
        lambda output, expected: float(len(output) < 40),
        budget=Budget(proposals=1),
        guards=[Keep()],
    )
    trainer.fit([("q", None)], [("q", None)])
    assert "prompt has lost what must stay" in model.questions[1][-1]["content"]
