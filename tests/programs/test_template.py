"""Prompt templates: what is filled in, what is refused, what is recorded, and what may be learned."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import pytest

import tracelib as trace
from tracelib.errors import ConstraintError, ExecutionError, GraphError
from tracelib.programs.template import prompt
from tracelib.testing import ScriptedModel


@prompt("system")
def judge(kind: str) -> None:
    """You are a judge of {{ kind }}."""


@prompt("system", trainable=True)
def coach(kind: str) -> None:
    """Coach {{ kind }}."""


def test_the_docstring_is_filled_with_the_arguments() -> None:
    said = judge("names")
    assert isinstance(said, trace.Message)
    assert said.to_dict() == {"role": "system", "content": "You are a judge of names."}
    assert judge(kind="dogs").content == "You are a judge of dogs."


def test_without_a_role_the_user_speaks() -> None:
    @prompt
    def ask(x: int = 2) -> None:
        """What is {{ x }} + {{ x }}?"""

    @prompt("assistant")
    def answer() -> None:
        """Four."""

    assert (ask().role, ask(3).content) == ("user", "What is 3 + 3?")
    assert (answer().role, answer().content) == ("assistant", "Four.")


def test_indentation_is_kept_of_the_template_and_of_what_is_put_in() -> None:
    @prompt("user")
    def review(code: str) -> None:
        """
        Review this:
          - indented

        {{ code }}
        """

    code = "def f():\n    if x:\n\treturn 1"
    assert review(code).content == f"Review this:\n  - indented\n\n{code}"


def test_any_signature_gives_variables() -> None:
    @prompt
    def ask(first: str, /, *rest: int, sign: str = "!", **more: Any) -> None:
        """{{ first }}{% for n in rest %} {{ n }}{% endfor %}{{ sign }} {{ more }} {{ name }}"""

    assert ask("a", 1, 2, name="Ann").content == "a 1 2! {'name': 'Ann'} Ann"


def test_a_value_of_none_is_written_as_python_writes_it() -> None:
    assert judge(None).content == "You are a judge of None."


def test_an_argument_wins_over_an_extra_one_of_its_name() -> None:
    @prompt
    def ask(kind: str, /, **more: Any) -> None:
        """{{ kind }} {{ more.kind }}"""

    assert ask("own", kind="other").content == "own other"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("a {{ kidn }}", "it uses {{ kidn }}, and the arguments are {{ kind }}"),
        ("a {{ self.kind }}", "it uses {{ self }}"),
        ("one\n{% if kind %}", "line 2 does not parse"),
        ("{{ kind | shout }}", "No filter named 'shout'"),
        ("{% include 'secret.txt' %}", "it asks for another template, and there is none"),
        ("{{ " + "(" * 20_000 + "kind" + ")" * 20_000 + " }}", "too deep"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_where_it_is_defined(template: str, reason: str) -> None:
    def ask(kind: str) -> None:
        """x"""

    ask.__doc__ = template
    with pytest.raises(GraphError, match="the template of ask cannot be used") as caught:
        prompt(ask)
    assert reason in str(caught.value)


def test_what_is_no_prompt_function_is_refused() -> None:
    def silent(kind: str) -> None:
        pass

    def busy(kind: str) -> str:
        """{{ kind }}"""
        return kind.upper()

    async def later(kind: str) -> None:
        """{{ kind }}"""

    with pytest.raises(GraphError, match="silent has no docstring"):
        prompt(silent)
    for fn, reason in ((busy, "does more than its docstring says"), (later, "later is async")):
        with pytest.raises(GraphError, match=reason):
            prompt(fn)
    with pytest.raises(GraphError, match="of the role system, user or assistant, not 'sytem'"):
        prompt("sytem")(judge.fn)


def test_what_is_missing_when_it_is_filled_is_named() -> None:
    @prompt
    def ask(person: dict[str, str], **more: Any) -> None:
        """Hello {{ person.name }}{{ title }}"""

    with pytest.raises(ExecutionError, match=r"the template of ask cannot be filled: .*no attribute 'name'"):
        ask({}, title="")
    with pytest.raises(ExecutionError, match="'title' is undefined"):
        ask({"name": "Ann"})
    with pytest.raises(TypeError, match="kind"):
        judge()


@pytest.mark.parametrize(
    "escape",
    [
        "{{ kind.__class__.__mro__ }}",
        "{{ kind.format.__globals__ }}",
        "{{ '{0.__class__}'.format(kind) }}",
        "{{ things.append(1) }}",
    ],
)
def test_templates_reach_no_further_than_their_arguments(escape: str) -> None:
    def ask(kind: str, things: list[int]) -> None:
        """x"""

    ask.__doc__ = escape
    things = [1]
    with pytest.raises(ExecutionError, match=r"unsafe|not safely callable"):
        prompt(ask)("a", things)
    assert things == [1]


def test_arguments_are_what_the_text_came_from() -> None:
    kind = trace.node("names")
    said = judge(kind)
    text: Any = said.content
    assert (text.op.name, text.op.kind) == ("judge", "prompt")
    assert text.inputs["kind"] is kind
    assert [call.op.name for call in trace.origin(said).calls] == ["judge"]
    assert [call.op.name for call in trace.origin([said]).calls] == ["judge"]


def test_a_prompt_in_a_program_is_within_its_call_and_one_given_to_it_is_an_argument() -> None:
    model = ScriptedModel(["fine", "well"])

    @trace.lm(model=model)
    def rate(name: str) -> list[Any]:
        return [judge("names"), f"Rate {name}"]

    @trace.lm(model=model)
    def repeat(said: Any) -> list[Any]:
        return [said, "Rate Ann"]

    first, second = rate("Ann"), repeat(judge("names"))
    sent = [
        {"role": "system", "content": "You are a judge of names."},
        {"role": "user", "content": "Rate Ann"},
    ]
    assert model.questions == [sent, sent]
    for made in (first, second):
        assert "judge" in [n.op.name for n in trace.Graph.behind(made).ordered if n.op is not None]


def test_without_tracing_a_prompt_is_a_plain_message() -> None:
    with trace.stop_tracing():
        said = judge("names")
    assert (type(said.content), said.content) == (str, "You are a judge of names.")


def test_the_docstring_is_part_of_the_version() -> None:
    assert "You are a judge of {{ kind }}." in trace.lexical_closure(judge)
    assert trace.version_of(judge).hash != trace.version_of(coach).hash


def test_a_trainable_template_is_a_parameter_that_hears_feedback() -> None:
    def greet(name: str) -> None:
        """Greet {{ name }}."""

    learns = prompt("user", trainable=True)(greet)
    assert learns.parameters() == [learns.template]
    assert (learns.template.name, learns.template.data) == ("greet.template", "Greet {{ name }}.")
    said = learns("Ann")
    learns.template.update("Salute {{ name }}, in French.", "warmer")
    assert learns("Ann").content == "Salute Ann, in French."
    assert said.content == "Greet Ann."
    said.content.backward("too short")
    assert "too short" in str(learns.template.feedback)
    with trace.bind({learns.template: "Bye {{ name }}"}):
        assert learns("Ann").content == "Bye Ann"


@pytest.mark.parametrize(
    ("proposed", "reason"),
    [
        ("Coach {{ who }}.", "it uses {{ who }}, and the arguments are {{ kind }}"),
        ("Coach {{ kind", "line 1 does not parse"),
        (["Coach"], "valid string"),
    ],
)
def test_a_proposed_template_must_parse_and_use_the_same_arguments(proposed: Any, reason: str) -> None:
    with pytest.raises(ConstraintError) as caught:
        coach.template.update(proposed)
    assert reason in str(caught.value)
    assert coach("dogs").content == "Coach dogs."


def test_a_template_knows_whose_it_is() -> None:
    assert coach.template.program == f"{__name__}:coach"


def test_the_constraint_says_what_a_template_may_be() -> None:
    assert str(coach.template.constraint) == "a jinja2 template that uses no variables but {{ kind }}"


def test_a_module_finds_the_templates_of_its_methods_and_attributes() -> None:
    @trace.model
    class Agent:
        def __init__(self) -> None:
            self.own = copy.deepcopy(coach)

        @prompt("system", trainable=True)
        def rules(self, topic: str) -> None:
            """Stick to {{ topic }}."""

        @prompt
        def ask(self, topic: str) -> None:
            """Tell me of {{ topic }}."""

    agent: Any = Agent()
    assert list(agent.named_parameters()) == ["own.template", "rules.template"]
    assert agent.rules("cats").content == "Stick to cats."
    assert agent.ask("cats").content == "Tell me of cats."
    agent.own.template.update("Train {{ kind }}.")
    assert (agent.own("dogs").content, coach("dogs").content) == ("Train dogs.", "Coach dogs.")
    agent.rules.template.update("Leave {{ topic }}.")
    assert [one.rules("cats").content for one in (agent, Agent())] == ["Leave cats.", "Stick to cats."]


def test_a_method_that_learns_is_called_by_way_of_its_class_too() -> None:
    class Judge:
        @prompt("system", trainable=True)
        def judge(self, kind: str) -> None:
            """Judge {{ kind }}."""

    one = Judge()
    one.judge.template.update("Rate {{ kind }}.")
    assert Judge.judge(one, "names") == one.judge("names")
    assert (one.judge("names").content, Judge().judge("names").content) == ("Rate names.", "Judge names.")


def test_prompts_are_pickled_by_name_and_a_learned_template_travels_along() -> None:
    assert pickle.loads(pickle.dumps(judge)) is judge
    assert pickle.loads(pickle.dumps(coach)) is coach
    other = copy.deepcopy(coach)
    other.template.update("Praise {{ kind }}.")
    found = pickle.loads(pickle.dumps(other))
    assert (found("dogs").content, found.template.data) == ("Praise dogs.", "Praise {{ kind }}.")
    assert coach("dogs").content == "Coach dogs."


def test_nothing_loads_jinja2_before_the_first_prompt() -> None:
    code = (
        "import sys, tracelib as trace\n"
        "trace.lm(model='any')(lambda: 'x')\n"
        "print('jinja2' in sys.modules, end=' ')\n"
        "trace.prompt\n"
        "print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
