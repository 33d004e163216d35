from __future__ import annotations

import asyncio
import importlib
import io
import json
from concurrent.futures import ProcessPoolExecutor

import pytest
from training import TRIPLES, AsyncLine, Line, awaited_near, near, shout

from optimizers.budget import Budget
from optimizers.effects import Evaluate
from optimizers.evaluating.dataset import Example
from optimizers.optoprime import OptoPrime
from optimizers.policies.gate import SignTest
from optimizers.progress import Progress
from optimizers.search import LocalSearch, RandomSearch
from optimizers.strategies.gated import Gated
from optimizers.trainer import Trainer
from tracelib.errors import JournalError, NoModelError, OptimizerError, SandboxUnavailable
from tracelib.feedback.feedback import Feedback
from tracelib.graph.node import node
from tracelib.graph.tracing import listening
from tracelib.testing import ScriptedModel

TRAIN, VALIDATION, TEST = TRIPLES[:4], TRIPLES[4:8], TRIPLES[8:]


def suggesting(**values):
    """A model that always suggests these values."""
    return ScriptedModel(lambda messages: json.dumps({"reasoning": "it is nearer", "suggestion": values}))


def searched(program=None, metric=near, **choices):
    return Trainer(program or Line(), LocalSearch(trials=30), metric, **choices)


# What it is for


def test_a_search_finds_the_values_and_applies_them_to_the_program():
    line = Line()
    result = searched(line).fit(TRAIN, VALIDATION, TEST)
    assert (line.slope.data, line.offset.data, line.label.data) == (3, 2, "line")
    assert result.improved
    assert result.best == {"slope": 3, "offset": 2}
    assert result.changed == {"slope": (1, 3), "offset": (0, 2)}
    assert (result.test.before.mean, result.test.after.mean) == (-21.0, 0.0)
    assert result.validation.after.mean == 0.0
    assert result.test.gain.low > 0


def test_an_optimizer_that_asks_a_model_trains_all_its_parameters_at_once():
    line, model = Line(), suggesting(slope=3, offset=2)
    optimizer = OptoPrime(line.parameters(), llm=model)
    result = Trainer(line, optimizer, near, strategy=Gated(steps=3)).fit(TRAIN, VALIDATION, TEST)
    assert line.slope.data == 3
    assert result.test.after.mean == 0.0
    assert any(trial.status == "winner" and trial.reason == "it is nearer" for trial in result.history)
    assert result.spent.calls == len(model.asked)


def test_a_users_own_strategy_is_a_generator_function():
    def steeper(seed, train, validation, rng):
        best = seed
        for slope in range(5):
            kid = best.edit({"slope": slope}, f"slope {slope}")
            old, new = yield [Evaluate(one, "train", tuple(range(train))) for one in (best, kid)]
            if sum(r.score for r in new) > sum(r.score for r in old):
                best = kid
        return best

    line = Line()
    result = Trainer(line, steeper, near).fit(TRAIN, VALIDATION)
    assert result.improved
    assert line.slope.data == result.best["slope"] == 4


def test_a_lone_bundle_is_trained_over_the_users_own_variants_of_its_code():
    loud = "def shout(text):\n    return text.upper()"
    louder = "def shout(text):\n    return text.upper() + '!'"
    search = RandomSearch(trials=4, variants={"shout": [loud, louder]})
    result = Trainer(shout, search, lambda out, want: out == want).fit([("a", "A!")], [("b", "B!")])
    assert shout("c").data == "C!"
    assert "text.upper() + '!'" in str(result)
    result.undo()
    assert shout("c").data == "c"


def test_a_plain_function_over_parameters_is_a_program():
    factor = node(1, name="factor", trainable=True)
    search = RandomSearch([factor], trials=5, variants={factor: range(5)})
    Trainer(lambda x: factor * x, search, near).fit([(2, 8)], [(3, 12)])
    assert factor.data == 4


# Nothing worse


def test_nothing_is_applied_when_nothing_beats_the_seed():
    line = Line()
    line.slope.update(3)
    line.offset.update(2)
    result = searched(line).fit(TRAIN, VALIDATION, TEST)
    assert (line.slope.data, line.offset.data) == (3, 2)
    assert not result.improved
    assert result.updates == ()
    assert result.test.gain.mean == 0.0
    assert "nothing beat the seed" in str(result)


def test_a_model_that_only_harms_leaves_the_program_as_it_was():
    line = Line()
    optimizer = OptoPrime(line.parameters(), llm=suggesting(slope=0, offset=1))
    result = Trainer(line, optimizer, near).fit(TRAIN, VALIDATION)
    assert (line.slope.data, line.offset.data) == (1, 0)
    assert result.validation.gain.mean == 0.0


def test_a_stricter_gate_wants_more_than_a_higher_mean():
    line = Line()
    result = searched(line, gate=SignTest(alpha=0.05)).fit(TRAIN, VALIDATION)
    assert line.slope.data == 1
    assert "p = 0.0625" in result.verdict


def test_listeners_hear_why_and_by_whom_a_parameter_was_updated():
    class Ear:
        updates, names = [], []

        def call_started(self, frame): ...
        def call_finished(self, call): ...
        def parameter_updated(self, update):
            self.updates.append((update.parameter.name, update.old, update.new, update.by))

        def event(self, name, data):
            self.names.append(name)

    with listening(Ear()) as ear:
        searched().fit(TRAIN, VALIDATION)
    assert sorted(ear.updates) == [("offset", 0, 2, "LocalSearch"), ("slope", 1, 3, "LocalSearch")]
    assert {"run_started", "rollout", "evaluated", "verdict", "run_ended"} <= set(ear.names)


# Schedules


def test_threads_async_and_processes_give_the_same_result():
    def comparable(result):
        told = result.to_json()
        told["spent"].pop("seconds")
        assert set(told.pop("programs")) == {"slope", "offset"}  # of Line, and of AsyncLine
        return told

    expected = comparable(searched(executor=1).fit(TRAIN, VALIDATION, TEST))
    assert comparable(searched(executor=8).fit(TRAIN, VALIDATION, TEST)) == expected
    assert comparable(asyncio.run(searched().afit(TRAIN, VALIDATION, TEST))) == expected
    async_trainer = Trainer(AsyncLine(), LocalSearch(trials=30), awaited_near)
    assert comparable(async_trainer.fit(TRAIN, VALIDATION, TEST)) == expected
    async_trainer = Trainer(AsyncLine(), LocalSearch(trials=30), awaited_near)
    assert comparable(asyncio.run(async_trainer.afit(TRAIN, VALIDATION, TEST))) == expected
    with ProcessPoolExecutor(2) as pool:
        assert comparable(searched(executor=pool).fit(TRAIN, VALIDATION, TEST)) == expected


def test_an_async_metric_alone_makes_the_run_async():
    result = Trainer(Line(), LocalSearch(trials=30), awaited_near).fit(TRAIN, VALIDATION)
    assert result.best == {"slope": 3, "offset": 2}


def test_a_metric_that_gives_an_awaitable_undeclared_is_awaited_too():
    metric = lambda output, expected: awaited_near(output, expected)  # noqa: E731
    assert Trainer(Line(), LocalSearch(trials=30), metric).fit(TRAIN, VALIDATION).improved


def test_fit_works_inside_a_running_event_loop():
    async def notebook():
        return Trainer(AsyncLine(), LocalSearch(trials=30), awaited_near).fit(TRAIN, VALIDATION)

    assert asyncio.run(notebook()).improved


# Resume


def test_a_fit_that_was_broken_off_goes_on_where_it_was(tmp_path):
    def fit(dies_at=None):
        def metric(output, expected):
            if len(runs) == dies_at:
                raise KeyboardInterrupt
            runs.append(output)
            return near(output, expected)

        trainer = Trainer(Line(), LocalSearch(trials=30), metric, executor=1)
        return trainer.fit(TRAIN, VALIDATION, TEST, resume=tmp_path / "run.jsonl")

    runs = []
    whole = searched(executor=1).fit(TRAIN, VALIDATION, TEST)
    for dies_at in (3, 10, 40, 80):
        with pytest.raises(KeyboardInterrupt) as caught:
            fit(dies_at)
        assert "resume=" in caught.value.__notes__[0]
    result = fit()
    assert (result.best, result.test, result.spent.rollouts) == (whole.best, whole.test, whole.spent.rollouts)
    assert len(runs) == whole.spent.rollouts
    assert result.journal == str(tmp_path / "run.jsonl")


def test_a_resume_with_other_code_than_the_journal_was_begun_with_says_so(tmp_path, monkeypatch):
    source = "def judge(output, expected):\n    return -abs(output - expected)"
    monkeypatch.syspath_prepend(str(tmp_path))
    notes = []
    for name, text in (("one", source), ("same", source), ("other", source + " * 2")):
        (tmp_path / f"judging_{name}.py").write_text(text)
        judge = importlib.import_module(f"judging_{name}").judge
        result = searched(metric=judge).fit(TRAIN, VALIDATION, resume=tmp_path / "run.jsonl")
        notes.append([note for note in result.notes if "has other code than when" in note])
    assert notes[:2] == [[], []]
    assert notes[2][0].startswith("the metric has other code than when ")


def test_proposals_of_a_model_are_not_paid_again_after_a_resume(tmp_path):
    models = [suggesting(slope=2), suggesting(slope=2)]
    results = []
    for model in models:
        line = Line()
        optimizer = OptoPrime(line.parameters(), llm=model)
        trainer = Trainer(line, optimizer, near, strategy=Gated(steps=4))
        results.append(trainer.fit(TRAIN, VALIDATION, resume=tmp_path / "run.jsonl"))
    assert len(models[0].asked) > 0
    assert models[1].asked == []
    assert results[0].history == results[1].history


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"optimizer": RandomSearch(trials=30)}, "optimizer: .*LocalSearch.* there, .*RandomSearch.* here"),
        ({"optimizer": LocalSearch(trials=31)}, "trials=31"),
    ],
)
def test_a_journal_of_another_run_is_refused(tmp_path, change, said):
    chosen = {"program": Line(), "optimizer": LocalSearch(trials=30), "metric": near}
    Trainer(**chosen).fit(TRAIN, VALIDATION, resume=tmp_path / "run.jsonl")
    with pytest.raises(JournalError, match=said):
        Trainer(**{**chosen, "program": Line(), **change}).fit(
            TRAIN, VALIDATION, resume=tmp_path / "run.jsonl"
        )


def test_a_journal_of_other_data_or_other_starting_values_is_refused(tmp_path):
    path, line = tmp_path / "run.jsonl", Line()
    searched(line).fit(TRAIN, VALIDATION, resume=path)
    with pytest.raises(JournalError, match="data: "):
        searched().fit(TRAIN[:3], VALIDATION, resume=path)
    with pytest.raises(JournalError, match="start: "):
        searched(line).fit(TRAIN, VALIDATION, resume=path)


# Code


def test_code_is_not_given_to_a_model_where_nothing_could_run_it():
    model = suggesting(shout="def shout(text):\n    return text.upper()")
    optimizer = OptoPrime(shout.parameters(), llm=model, sandbox="none such")
    trainer = Trainer(shout, optimizer, lambda out, want: out == want)
    with pytest.raises(SandboxUnavailable, match="there is no sandbox 'none such'"):
        trainer.fit([("a", "A")], [("b", "B")])
    assert model.asked == []


def test_code_a_model_wrote_runs_in_a_sandbox_and_the_result_says_in_which():
    model = suggesting(shout="def shout(text):\n    return text.upper()")
    optimizer = OptoPrime(shout.parameters(), llm=model)
    trainer = Trainer(
        shout,
        optimizer,
        lambda out, want: float(out == want),
        strategy=Gated(steps=1),
    )
    result = trainer.fit([("a", "A")], [("b", "B")])
    assert shout("x").data == "X"
    assert any(note.startswith("code that the model wrote ran in the sandbox") for note in result.notes)
    assert shout.parameter._code.confines(shout.parameter.data)
    result.undo()


# Data


@pytest.mark.parametrize(
    "examples",
    [
        [(n, 3 * n + 2) for n in range(4)],
        [[n, 3 * n + 2] for n in range(4)],
        [Example(n, expected=3 * n + 2) for n in range(4)],
        [Example(x=n, expected=3 * n + 2) for n in range(4)],
        [{"inputs": n, "expected": 3 * n + 2} for n in range(4)],
        [{"inputs": (n,), "expected": 3 * n + 2} for n in range(4)],
        [{"inputs": {"x": n}, "expected": 3 * n + 2} for n in range(4)],
        ((n, 3 * n + 2) for n in range(4)),
    ],
)
def test_every_form_of_an_example_reaches_the_program_and_the_metric(examples):
    assert searched().fit(examples, VALIDATION).best == {"slope": 3, "offset": 2}


def test_an_example_that_expects_nothing_gives_the_metric_the_output_alone():
    result = Trainer(Line(), LocalSearch(trials=20), lambda output: -output).fit([Example(5)], [Example(7)])
    assert result.best == {"slope": 0, "offset": 0}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "train has no examples"),
        ("abc", "train is 'abc'"),
        ([1, 2], r"train\[0\] is 1: an example is a pair"),
        ([(1, 2), (1, 2, 3)], r"train\[1\]"),
        ([{"input": 1, "expected": 2}], "'input', 'expected'"),
        ([{"inputs": 1, "expectd": 2}], "has the keys 'inputs', 'expectd'"),
    ],
)
def test_data_in_another_form_is_refused_with_the_forms_there_are(data, said):
    with pytest.raises(OptimizerError, match=said):
        searched().fit(data)


def test_without_a_validation_split_train_judges_and_the_result_says_so():
    line = Line()
    result = searched(line).fit(TRAIN)
    assert line.slope.data == 3
    assert any("no validation split" in note for note in result.notes)
    assert result.validation.split == "train"


# Metrics


@pytest.mark.parametrize(
    "metric",
    [
        lambda out, want: out == want,
        lambda out, want: {"right": out == want, "near": near(out, want)},
        lambda out, want: {"score": near(out, want), "feedback": "closer, please"},
        lambda out, want: Feedback.of("closer, please") | Feedback(score=near(out, want)),
        lambda out, want: (near(out, want), "closer, please"),
    ],
)
def test_a_metric_may_say_it_in_many_ways(metric):
    assert Trainer(Line(), RandomSearch(trials=200), metric).fit(TRAIN, VALIDATION).best == {
        "slope": 3,
        "offset": 2,
    }


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (lambda out, want: None, "returned None, which has no score"),
        (lambda out, want: "good", "returned 'good', which has no score"),
        (lambda out: 1.0, "takes 1 positional argument"),
        (lambda out, want: float("nan"), "nan"),
    ],
)
def test_a_metric_that_gives_no_score_stops_a_search_with_the_reason(metric, said):
    with pytest.raises(OptimizerError, match=said):
        Trainer(Line(), LocalSearch(trials=5), metric).fit(TRAIN, VALIDATION)


def test_the_metric_hears_plain_values_of_outputs_nodes_deep_inside():
    heard = []

    def metric(output, expected):
        heard.append(output)
        return 1.0

    factor = node(2, name="factor", trainable=True)
    search = RandomSearch([factor], trials=1, variants={factor: [3]})
    Trainer(lambda x: {"parts": [factor * x, x]}, search, metric).fit([(1, None)])
    assert {type(each["parts"][0]) for each in heard} == {int}


def test_an_example_that_fails_is_counted_as_failed_and_given_no_score():
    def fragile(x):
        if x == 5:
            raise ValueError("five is too much")
        return line(x)

    line = Line()
    result = Trainer(fragile, LocalSearch(line.parameters(), trials=30), near).fit(TRAIN, TRIPLES[4:8])
    assert (result.validation.failed_before, result.validation.failed_after) == (1, 1)
    assert result.validation.after.n == 3
    assert result.best == {"slope": 3, "offset": 2}


def test_a_metric_sees_the_parameters_as_the_candidate_has_them():
    line, seen = Line(), set()

    def metric(output, expected):
        seen.add(line.slope.data)
        return near(output, expected) - line.slope.data / 100

    result = Trainer(line, LocalSearch(trials=30), metric, executor=1).fit(TRAIN, VALIDATION)
    assert len(seen) > 2
    assert result.validation.after.mean == pytest.approx(-0.03)


def test_a_metric_that_fails_is_recorded_and_a_model_is_shown_how():
    def metric(output, expected):
        if output < expected:
            raise LookupError(f"{output} is not in the table")
        return 1.0

    line, model = Line(), suggesting(slope=3, offset=2)
    result = Trainer(line, OptoPrime(line.parameters(), llm=model), metric, strategy=Gated(steps=1)).fit(
        TRAIN, VALIDATION
    )
    assert "the metric failed with LookupError: 1 is not in the table" in model.questions[0][-1]["content"]
    assert (result.validation.before, result.validation.failed_before) == (None, 4)
    assert result.improved


def test_a_program_that_fails_before_anything_is_recorded_pays_no_model():
    def program(x):
        raise ValueError("no input")

    line, model = Line(), suggesting(slope=3)
    trainer = Trainer(program, OptoPrime(line.parameters(), llm=model), near)
    with pytest.raises(OptimizerError, match=r"failed before anything was recorded.* ValueError: no input"):
        trainer.fit(TRAIN, VALIDATION)
    assert model.asked == []


def test_what_a_model_sees_of_a_bare_number_includes_what_was_expected():
    line, model = Line(), suggesting(slope=3, offset=2)
    Trainer(line, OptoPrime(line.parameters(), llm=model), near, strategy=Gated(steps=1)).fit(
        TRAIN[3:], VALIDATION
    )
    assert "expected 11" in model.questions[0][-1]["content"]
    # 14 is what the first example of validation expects.
    assert all("expected 14" not in message["content"] for message in model.questions[0])


# What cannot be trained


def test_parameters_without_a_space_stay_and_the_result_says_what_to_declare():
    result = searched().fit(TRAIN, VALIDATION)
    assert any(note.startswith("label stays as it is: it holds str") for note in result.notes)
    assert "label" not in result.best


def test_a_search_without_any_space_names_every_parameter_and_what_to_declare():
    text = node("hello", name="greeting", trainable=True)
    with pytest.raises(OptimizerError, match=r"- greeting: it holds str.*variants=\{'greeting'"):
        Trainer(lambda x: text + x, LocalSearch([text]), near).fit(TRAIN)


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ({"lable": ["a"]}, "variants name 'lable', which is not searched"),
        ({"label": "abc"}, "a list of values, not the text 'abc'"),
        ({"slope": [1, 99]}, "a variant of slope does not fit"),
    ],
)
def test_variants_that_make_no_sense_are_refused_before_anything_runs(variants, said):
    with pytest.raises(OptimizerError, match=said):
        Trainer(Line(), LocalSearch(variants=variants), near).fit(TRAIN)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"optimizer": LocalSearch}, "give an object, not the class"),
        ({"optimizer": 3}, "3 is no optimizer"),
        ({"metric": 3}, "the metric cannot be called"),
        ({"program": near}, "has no parameters to train"),
    ],
)
def test_arguments_that_make_no_sense_are_told_so(choices, said):
    with pytest.raises(OptimizerError, match=said):
        Trainer(**{"program": Line(), "optimizer": LocalSearch(), "metric": near, **choices}).fit(TRAIN)


def test_an_optimizer_without_a_model_says_so_before_anything_runs(monkeypatch):
    monkeypatch.delenv("TRACELIB_MODEL", raising=False)
    runs, line = [], Line()
    with pytest.raises(NoModelError):
        Trainer(line, OptoPrime(line.parameters()), lambda out, want: runs.append(out)).fit(TRAIN)
    assert runs == []


def test_a_parameter_the_output_does_not_come_from_is_named_with_the_reason():
    line = Line()
    optimizer = OptoPrime(line.parameters(), llm=suggesting(slope=3))
    result = Trainer(line, optimizer, near, strategy=Gated(steps=1)).fit(TRAIN, VALIDATION)
    assert any(note.startswith("feedback did not reach label: no path") for note in result.notes)


def test_a_program_whose_output_is_not_recorded_pays_no_model():
    line, model = Line(), suggesting(slope=3)
    trainer = Trainer(lambda x: line(x).data, OptoPrime(line.parameters(), llm=model), near)
    with pytest.raises(OptimizerError, match="output was not recorded"):
        trainer.fit(TRAIN, VALIDATION)
    assert model.asked == []


def test_a_model_is_not_asked_where_there_is_nothing_left_to_learn():
    line, model = Line(), suggesting(slope=3)
    trainer = Trainer(line, OptoPrime(line.parameters(), llm=model), lambda out, want: True)
    result = trainer.fit(TRAIN, VALIDATION)
    assert model.asked == []
    assert any("no proposal was asked for" in note for note in result.notes)


# Budget and callbacks


def test_the_budget_covers_validation_test_and_search_together():
    runs = []

    def metric(output, expected):
        runs.append(output)
        return near(output, expected)

    for limit in (6, 8, 16, 30, 57):
        runs.clear()
        trainer = Trainer(Line(), LocalSearch(trials=30), metric, Budget(rollouts=limit))
        result = trainer.fit(TRAIN, VALIDATION, TEST)
        assert len(runs) == result.spent.rollouts <= limit
        assert (result.test is not None) == (limit >= 8)
        assert result.stopped


def test_a_callback_hears_the_run_and_a_broken_one_does_not_break_it():
    heard = []

    def broken(event):
        raise RuntimeError("no")

    trainer = searched(callbacks=[broken, heard.append])
    with pytest.warns(UserWarning, match="is passed over: RuntimeError"):
        trainer.fit(TRAIN, VALIDATION)
    names = [event.name for event in heard]
    assert names[0] == "run_started"
    assert names[-1] == "run_ended"


def test_fit_is_quiet_where_there_is_no_terminal(capfd):
    searched().fit(TRAIN, VALIDATION)
    assert capfd.readouterr() == ("", "")


def test_progress_can_be_asked_for_and_writes_plain_lines_to_a_log(capfd):
    searched(progress=True).fit(TRAIN, VALIDATION)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("training on 4 train, 4 validation; budget: no limit\n")
    assert "\naccepted: -13.0000 -> 0.0000\n" in err
    assert err.splitlines()[-1].startswith("done: ")


def test_progress_on_a_terminal_is_one_bar_that_is_gone_at_the_end():
    stream = io.StringIO()
    searched(callbacks=[Progress(stream, bar=True)], budget=Budget(rollouts=60)).fit(TRAIN, VALIDATION)
    assert "rollouts" in stream.getvalue()


def test_progress_leaves_no_bar_behind_when_the_run_is_broken_off():
    def metric(output, expected):
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            Trainer(Line(), LocalSearch(), metric, callbacks=[Progress(io.StringIO(), bar=True)]).fit(TRAIN)
