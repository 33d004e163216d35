from __future__ import annotations

import json
from dataclasses import replace

import pytest
from training import TRIPLES, Line, near

from optimizers.evaluating.interval import bootstrap
from optimizers.optoprime import OptoPrime
from optimizers.result import Result
from optimizers.results.trials import Comparison
from optimizers.rollout import Rollout
from optimizers.search import LocalSearch
from optimizers.strategies.gated import Gated
from optimizers.trainer import Trainer
from tracelib.errors import ConstraintError, JournalError, OptimizerError
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


def test_a_saved_result_is_loaded_whole_and_applied_to_a_program_later(tmp_path):
    result, line = trained(), Line()
    result.save(tmp_path / "result.json")
    loaded = Result.load(tmp_path / "result.json")
    assert loaded == result
    updates = loaded.apply(line)
    assert (line.slope.data, line.offset.data) == (3, 2)
    assert {update.parameter.name for update in updates} == {"slope", "offset"}
    assert {update.by for update in updates} == {"Result.apply"}
    assert loaded.apply(line) == ()


def test_a_result_is_applied_whole_or_not_at_all():
    result, line = trained(), Line()
    wrong = replace(result, best={"slope": 3, "offset": 7})
    with pytest.raises(ConstraintError):
        wrong.apply(line)
    assert (line.slope.data, line.offset.data) == (1, 0)
    with pytest.raises(OptimizerError, match="no parameter 'slope' to give a value; there are offset"):
        result.apply([line.offset])
    assert line.offset.data == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}', '{"format": "tracelib result 1"}'])
def test_a_file_that_is_no_result_is_told_so(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(OptimizerError, match="is no saved result"):
        Result.load(tmp_path / "result.json")


def test_the_diff_shows_each_parameter_that_changed_as_a_file():
    search = LocalSearch(trials=30, variants={"label": ["a\nb", "a\nc"]})
    result = Trainer(Line(), search, near).fit(TRIPLES[:4], TRIPLES[4:8])
    texts = replace(result, seed={**result.seed, "label": "a\nb"}, best={**result.best, "label": "a\nc"})
    assert texts.diff().splitlines() == [
        "--- slope (seed)",
        "+++ slope (best)",
        "@@ -1 +1 @@",
        "-1",
        "+3",
        "--- offset (seed)",
        "+++ offset (best)",
        "@@ -1 +1 @@",
        "-0",
        "+2",
        "--- label (seed)",
        "+++ label (best)",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "+c",
    ]


def test_true_and_one_are_not_the_same_value():
    result = replace(trained(), seed={"slope": True}, best={"slope": 1})
    assert result.changed == {"slope": (True, 1)}


def test_each_candidate_has_the_runs_it_was_made_from_and_when_it_was_scored():
    model = ScriptedModel(['{"reasoning": "nearer", "suggestion": {"slope": 3, "offset": 2}}', "no", "no"])
    line = Line()
    metric = lambda out, want: {"score": near(out, want), "feedback": f"off by {near(out, want)}"}  # noqa: E731
    strategy = Gated(batch=2, steps=2, perfect=None)
    result = Trainer(line, OptoPrime(line.parameters(), llm=model), metric, strategy=strategy).fit(
        TRIPLES[:4], TRIPLES[4:8]
    )
    seed, winner, rejected = result.history
    assert seed.evidence == ()
    assert (seed.at, winner.at, rejected.at) == ({"validation": 4}, {"validation": 12}, {})
    assert [seen.split for seen in winner.evidence] == ["train", "train"]
    assert winner.evidence[0].feedback == f"off by {winner.evidence[0].score}"
    assert [seen.score for seen in rejected.evidence] == [0.0, 0.0]
    assert Result.from_json(json.loads(json.dumps(result.to_json()))).history == result.history


def test_a_result_and_its_journal_name_the_meta_prompts_that_were_asked_with(tmp_path):
    line, path = Line(), tmp_path / "run.jsonl"
    optimizer = OptoPrime(line.parameters(), llm=ScriptedModel(["no", "no"]))
    optimizer.proposer = Versioned(optimizer.proposer, "v1:abc")
    train = Trainer(line, optimizer, near, strategy=Gated(steps=1)).fit
    assert train(TRIPLES[:4], TRIPLES[4:8], resume=path).proposers == {"": "v1:abc"}
    optimizer.proposer = Versioned(optimizer.proposer, "v1:def")
    with pytest.raises(JournalError, match=r"proposers: .*v1:abc.* there, .*v1:def.* here"):
        train(TRIPLES[:4], TRIPLES[4:8], resume=path)


class Versioned:
    """A proposer with the version of its meta-prompt."""

    def __init__(self, proposer, version):
        self.messages, self.parse, self.repair = proposer.messages, proposer.parse, proposer.repair
        self.version = version


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


def test_replicates_of_an_example_make_an_interval_no_narrower():
    once = tuple(Rollout(n, "validation", float(n % 2)) for n in range(8))
    often = tuple(replace(one, replicate=m) for one in once for m in range(50))
    assert Comparison.of("validation", often, often) == Comparison.of("validation", once, once)
    assert Comparison.of("validation", often, often).before.n == 8


def test_there_is_no_interval_of_nothing():
    with pytest.raises(OptimizerError, match="no scores"):
        bootstrap([])
