from __future__ import annotations

import json

import pytest
from training import TRIPLES, Line, near

from optimizers.evaluating.interval import bootstrap
from optimizers.optoprime import OptoPrime
from optimizers.search import LocalSearch
from optimizers.strategies.gated import Gated
from optimizers.trainer import Trainer
from tracelib.errors import OptimizerError
from tracelib.testing import ScriptedModel


def trained(**choices):
    return Trainer(Line(), LocalSearch(trials=30), near, **choices).fit(
        TRIPLES[:4], TRIPLES[4:8], TRIPLES[8:]
    )


def test_the_history_has_every_candidate_with_its_reason_and_scores():
    result = trained()
    assert [trial.status for trial in result.history].count("seed") == 1
    assert [trial.status for trial in result.history].count("winner") == 1
    winner = next(trial for trial in result.history if trial.status == "winner")
    assert (winner.train, winner.validation, winner.values) == (0.0, 0.0, result.best)
    assert winner.reason.endswith("moved")
    assert all(trial.train is not None for trial in result.history)
    assert winner.parents[0] in {trial.id for trial in result.history}


def test_the_history_keeps_rejected_proposals_with_the_reply_and_the_problem():
    line, model = Line(), ScriptedModel(["nonsense", "still nonsense"])
    result = Trainer(line, OptoPrime(line.parameters(), llm=model), near, strategy=Gated(steps=1)).fit(
        TRIPLES[:4], TRIPLES[4:8]
    )
    rejected = [trial for trial in result.history if trial.status == "rejected"]
    assert len(rejected) == 1
    assert rejected[0].reply == "still nonsense"
    assert rejected[0].problem
    assert "1 proposals rejected" in str(result)


def test_a_result_reads_as_text_and_says_what_changed_how_sure_and_what_it_took():
    text = str(trained())
    assert text.splitlines()[0].startswith("improved; ")
    assert "slope: 1 -> 3" in text
    assert "test: -21.0000 [" in text
    assert "gain 21.0000 [" in text
    assert "rollouts" in text
    assert repr(trained()) == f"<Result: {text.splitlines()[0]}>"


def test_a_notebook_view_escapes_what_candidates_say():
    search = LocalSearch(trials=30, variants={"label": ["<script>alert(1)</script>"]})
    result = Trainer(Line(), search, near).fit(TRIPLES[:4], TRIPLES[4:8])
    bundle = result._repr_mimebundle_()
    assert bundle["text/plain"] == str(result)
    assert "<script>" not in bundle["text/html"]
    assert "slope moved" in bundle["text/html"]


def test_a_result_is_saved_as_readable_json(tmp_path):
    result = trained()
    result.save(tmp_path / "result.json")
    told = json.loads((tmp_path / "result.json").read_text())
    assert told == json.loads(json.dumps(result.to_json()))
    assert told["best"] == {"slope": 3, "offset": 2}
    assert told["test"]["after"]["mean"] == 0.0
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_undo_gives_the_program_its_old_values():
    line = Line()
    result = Trainer(line, LocalSearch(trials=30), near).fit(TRIPLES[:4], TRIPLES[4:8])
    assert line.slope.data == 3
    result.undo()
    assert (line.slope.data, line.offset.data) == (1, 0)


def test_a_bootstrap_interval_is_seeded_and_holds_the_mean():
    scores = [0.0, 1.0, 1.0, 0.5, 0.25] * 8
    interval = bootstrap(scores, seed=1)
    assert interval == bootstrap(scores, seed=1) != bootstrap(scores, seed=2)
    assert interval.low < interval.mean < interval.high
    assert interval.n == 40


def test_a_bootstrap_interval_is_wider_with_more_confidence_and_fewer_scores():
    scores = [0.0, 1.0] * 20
    width = lambda interval: interval.high - interval.low  # noqa: E731
    assert width(bootstrap(scores, 0.99)) > width(bootstrap(scores, 0.9))
    assert width(bootstrap(scores[:10])) > width(bootstrap(scores))


def test_there_is_no_interval_of_nothing():
    with pytest.raises(OptimizerError, match="no scores"):
        bootstrap([])
