"""Feedback that arrives late: a run of another process, rebuilt here, teaches the parameters of this one."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tracelib as trace
from optimizers.optoprime import OptoPrime
from tracelib.errors import OptimizerError
from tracelib.graph.rebuild import behind, rebuilt
from tracelib.graph.stored import StoredParameter
from tracelib.testing import ScriptedModel

PROGRAM = '''
import tracelib as trace

@trace.bundle
def ask(system, instruct, query):
    """Ask the language model."""
    return "es" if "language" in instruct else query.split()[-1].strip(".")

@trace.model
class Agent:
    def __init__(self):
        self.instruct1 = trace.node("Decide the language", trainable=True, constraint="one line")
        self.instruct2 = trace.node("Extract name", trainable=True)
        self.unused = trace.node("nothing", trainable=True)

    def __call__(self, query):
        lang = ask("You are a sales assistant.", self.instruct1, query)
        return self.greet(lang, ask("You are a sales assistant.", self.instruct2, query))

    @trace.bundle(trainable=True)
    def greet(self, lang, name):
        """Produce a greeting based on the language."""
        return {"en": "Hello", "es": "Hola"}[lang] + f", {name}!"
'''

RUN = """
import pickle, sys
import shop
from tracelib import ExecutionError
from tracelib.graph.rebuild import behind

try:
    output = shop.Agent()(sys.argv[1])
    output = output + "" if len(sys.argv) > 2 else output
except ExecutionError as error:
    output = error.exception_node
sys.stdout.buffer.write(pickle.dumps(list(behind(output))))
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The program as a module that this process and the other one can import."""
    (tmp_path / "shop.py").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(trace.__file__).parents[1]}")
    sys.modules.pop("shop", None)
    yield __import__("shop")
    sys.modules.pop("shop", None)


def last_week(*argv: str) -> Any:
    """The output of a run in another process, rebuilt from its description."""
    done = subprocess.run([sys.executable, "-c", RUN, *argv], capture_output=True, check=True)
    return rebuilt(pickle.loads(done.stdout))


def answer(**values: Any) -> str:
    return json.dumps({"reasoning": "because", "suggestion": values})


def optimizer_of(parameters: Any, *replies: str, **options: Any) -> tuple[OptoPrime, ScriptedModel]:
    model = ScriptedModel(list(replies))
    return OptoPrime(parameters, llm=model, **options), model


def question(model: ScriptedModel) -> str:
    return "\n".join(message["content"] for message in model.questions[-1])


def test_what_a_user_says_next_week_changes_the_live_parameters(shop: ModuleType) -> None:
    agent = shop.Agent()
    reply = answer(instruct1="Decide the language, politely")
    optimizer, model = optimizer_of([agent.instruct1, agent.instruct2], reply)
    output = last_week("Hola, soy Juan.")
    report = optimizer.backward(output, "Greet more warmly")
    assert [p.name for p in report.reached] == ["instruct1", "instruct2", "greet"]
    assert report.reached[0] is agent.instruct1
    assert agent.instruct1.feedback.text == "Greet more warmly"
    step = optimizer.step()
    assert step.changed == {"instruct1": ("Decide the language", "Decide the language, politely")}
    assert agent.instruct1.data == "Decide the language, politely"
    asked = question(model)
    assert "Hola, soy Juan." in asked
    assert "Greet more warmly" in asked


def test_the_same_question_is_asked_as_about_a_run_of_this_process(shop: ModuleType) -> None:
    def asked(output_of: Any) -> str:
        agent = shop.Agent()
        optimizer, model = optimizer_of(agent.parameters(), answer())
        optimizer.backward(output_of(agent), "Greet more warmly")
        optimizer.step()
        return question(model)

    assert asked(lambda agent: last_week("Hola, soy Juan.")) == asked(lambda agent: agent("Hola, soy Juan."))


def test_code_is_learned_from_a_stored_run_too(shop: ModuleType) -> None:
    agent = shop.Agent()
    code = 'def greet(self, lang, name):\n    return f"¡Hola, {name}!"'
    parameters = agent.parameters()
    optimizer, _ = optimizer_of(parameters, answer(greet=code))
    optimizer.backward(last_week("Hola, soy Juan."), "Use Spanish marks")
    optimizer.step()
    assert agent("Hola, soy Juan.") == "¡Hola, Juan!"
    assert agent.greet.parameter._code.confines(code)


def test_a_stored_failure_teaches_with_its_marked_source(shop: ModuleType) -> None:
    agent = shop.Agent()
    agent.instruct1.update("Decide the words")
    optimizer, model = optimizer_of(agent.parameters(), answer())
    output = last_week("Hola, soy Juan.")
    with pytest.raises(trace.ExecutionError) as raised:
        agent("Hola, soy Juan.")
    failed = rebuilt(behind(raised.value.exception_node))
    optimizer.backward(output, "fine")
    optimizer.backward(failed, failed.data)
    optimizer.step()
    assert "# <-- KeyError: 'Juan'" in question(model)


def test_the_evidence_shows_the_value_that_was_used_not_the_present_one(shop: ModuleType) -> None:
    agent = shop.Agent()
    agent.instruct2.update("Extract the whole name")
    optimizer, model = optimizer_of([agent.instruct2], answer(instruct2="Extract the first name"))
    output = last_week("Hola, soy Juan.")
    report = optimizer.backward(output, "wrong name")
    assert report.reached[-2] is agent.instruct2 or agent.instruct2 in report.reached
    assert "Extract name" in [n.data for n in trace.Graph.behind(output).nodes]
    assert agent.instruct2.data == "Extract the whole name"
    step = optimizer.step()
    assert "Extract name" in question(model)
    assert step.changed == {"instruct2": ("Extract the whole name", "Extract the first name")}


def test_a_minibatch_may_mix_stored_runs_and_runs_of_this_process(shop: ModuleType) -> None:
    agent = shop.Agent()
    optimizer, model = optimizer_of([agent.instruct1], answer(instruct1="x"))
    optimizer.backward(agent("Hola, soy Ana."), "now")
    optimizer.backward(last_week("Hola, soy Juan."), "then")
    assert agent.instruct1.feedback.text == "now\nthen"
    optimizer.step()
    assert "Hola, soy Ana." in question(model)
    assert "Hola, soy Juan." in question(model)


def test_parameters_that_the_stored_run_did_not_use_say_so(shop: ModuleType) -> None:
    agent = shop.Agent()
    optimizer, _ = optimizer_of([agent.instruct1, agent.unused])
    report = optimizer.backward(last_week("Hola, soy Juan."), "bad")
    ((parameter, reason),) = report.unreached
    assert parameter is agent.unused
    assert (
        "the stored parameters instruct2 of shop:Agent, greet of shop:Agent.greet have no counterpart here"
        in reason
    )
    assert "the stored parameter instruct2 of shop:Agent has no counterpart here" in str(report)


def test_a_program_of_another_name_hears_nothing_and_the_step_says_why(shop: ModuleType) -> None:
    @trace.model
    class Agent:
        def __init__(self) -> None:
            self.instruct1 = trace.node("Decide the language", trainable=True)

    agent = Agent()
    optimizer, _ = optimizer_of(agent.parameters())  # type: ignore[attr-defined]
    optimizer.backward(last_week("Hola, soy Juan."), "bad")
    assert not agent.instruct1.feedback
    with pytest.raises(OptimizerError, match=r"instruct1 of shop:Agent.* no counterpart here"):
        optimizer.step()


def test_of_two_instances_none_is_taken_and_the_report_says_what_to_do(shop: ModuleType) -> None:
    one, other = shop.Agent(), shop.Agent()
    optimizer, _ = optimizer_of([one.instruct1, other.instruct1, one.instruct2])
    report = optimizer.backward(last_week("Hola, soy Juan."), "bad")
    assert [p.name for p in report.reached if not isinstance(p, StoredParameter)] == ["instruct2"]
    assert [parameter for parameter, _ in report.unreached] == [one.instruct1, other.instruct1]
    for _, reason in report.unreached:
        assert reason.startswith("several parameters here may be the stored instruct1 of shop:Agent")
        assert "those of the one instance that is to learn" in reason
    assert str(report).splitlines()[0] == "feedback reached instruct2, instruct1 as stored, greet as stored"
    assert str(report).count("several parameters here may be the stored instruct1") == 3
    alone, _ = optimizer_of(other.parameters())
    assert other.instruct1 in alone.backward(last_week("Hola, soy Juan."), "bad").reached


def test_backward_without_an_optimizer_reaches_the_stand_ins(shop: ModuleType) -> None:
    report = last_week("Hola, soy Juan.").backward("bad")
    assert [p.name for p in report.reached] == ["instruct1", "instruct2", "greet"]
    assert all(isinstance(p, StoredParameter) and p.feedback.text == "bad" for p in report.reached)
    assert "no counterpart here" in str(report)


def test_a_run_with_operations_behind_the_output_teaches_as_well(shop: ModuleType) -> None:
    agent = shop.Agent()
    optimizer, _ = optimizer_of([agent.instruct1])
    assert agent.instruct1 in optimizer.backward(last_week("Hola, soy Juan.", "more"), "bad").reached
