"""`comment`, `tag`, `alias`, `checkout`, `replay`: what people do with what is stored."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from commands import Command
from programs import run_python

from tracelib.store.store import Store


def newest(store: Store, name: str) -> str:
    return store.calls(name=name, limit=1)[0].id


def test_a_comment_is_kept_and_shown(tracelib: Command, folder: Path, store: Store) -> None:
    assert tracelib("comment", "greet@1", "too [bold]polite", "--by", "Ann").code == 0
    assert "Ann (human)\n        too [bold]polite\n" in tracelib("show", "greet@1").out
    assert [said.text for said in store.feedback("greet@1")] == ["too [bold]polite"]


def test_a_score_goes_with_a_comment(tracelib: Command, folder: Path, store: Store) -> None:
    id = newest(store, "ask")
    assert tracelib("comment", id, "so", "--score", "0.25", "--name", "tone", "--by", "Ann").code == 0
    assert [(said.name, said.score, said.by) for said in store.feedback(id)] == [("tone", 0.25, "Ann")]
    found = json.loads(tracelib("calls", "--where", 'score("tone") < 0.5', "--json").out)
    assert [call["id"] for call in found] == [id]


@pytest.mark.parametrize(
    "args", [("greet", "x", "--name", "tone"), ("greet", "x", "--score", "high"), ("greet",)], ids=str
)
def test_a_comment_that_says_nothing_together_is_refused(
    tracelib: Command, folder: Path, args: tuple[str, ...]
) -> None:
    assert tracelib("comment", *args).code == 2


def test_tags_are_put_on_listed_and_taken_off(tracelib: Command, folder: Path, store: Store) -> None:
    id = newest(store, "ask")
    assert tracelib("tag", id, "good", "a b").out == f"{id}: a b, good\n"
    assert "#good" in tracelib("show", id).out
    found = json.loads(tracelib("calls", "--where", '"good" in tags', "--json").out)
    assert [call["id"] for call in found] == [id]
    assert tracelib("tag", id, "good", "--remove").out == f"{id}: a b\n"
    assert tracelib("tag", id, "a b", "--remove").out == f"{id}: no tags\n"


def test_a_tag_of_what_is_not_there_is_refused(tracelib: Command, folder: Path) -> None:
    done = tracelib("tag", "nobody", "good")
    assert (done.code, done.out) == (1, "")
    assert "nobody" in done.err


def test_an_alias_moves_is_listed_logged_and_removed(tracelib: Command, folder: Path) -> None:
    assert tracelib("alias", "greet@1", "production", "--by", "Ann").out == (
        "production points to app:greet@1 now\n"
    )
    tracelib("alias", "greet@2", "production", "--by", "Bo")
    lines = tracelib("alias", "greet").out.splitlines()
    assert lines[1].split()[:2] == ["production", "app:greet@2"]
    assert lines[1].endswith("Bo")
    assert tracelib("alias").out.splitlines() == lines
    log = tracelib("alias", "greet", "production", "--log").out.splitlines()
    assert [line.split()[-1] for line in log[1:]] == ["Bo", "Ann"]
    assert "(production)" in tracelib("log", "greet", "--limit", "1").out
    assert tracelib("alias", "greet", "production", "--remove").out == (
        "production of app:greet points nowhere now\n"
    )
    done = tracelib("alias", "greet")
    assert (done.out, done.err) == ("", "greet has no alias\n")


def test_an_alias_can_name_a_state_of_a_program(tracelib: Command, folder: Path) -> None:
    assert tracelib("alias", "Agent@1", "first").out == "first points to app:Agent@1 now\n"
    assert [one["id"] for one in json.loads(tracelib("alias", "Agent", "--json").out)] == ["app:Agent@first"]


@pytest.mark.parametrize("args", [("greet", "--remove"), ("--remove",), ("greet", "x", "--log", "--remove")])
def test_removing_says_of_what_and_which(tracelib: Command, folder: Path, args: tuple[str, ...]) -> None:
    assert tracelib("alias", *args).code == 2


@pytest.mark.parametrize(
    "args", [("greet@9", "x"), ("nobody", "x"), ("greet", "3"), ("greet", "none", "--remove")]
)
def test_an_alias_that_cannot_be_is_refused(tracelib: Command, folder: Path, args: tuple[str, ...]) -> None:
    done = tracelib("alias", *args)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)


def test_a_checked_out_state_is_loaded_by_the_program(tracelib: Command, folder: Path, store: Store) -> None:
    first = store.updates("app:Agent")[0].number
    assert tracelib("checkout", f"Agent@{first}", "--out", "first.json").code == 0
    done = tracelib("checkout", "app:Agent")
    assert (done.code, done.out) == (0, "Agent.json: 1 parameter of app:Agent\n")
    code = "import app, sys; a = app.Agent(); a.load(sys.argv[1]); print(a.prompt.data)"
    assert run_python(folder, code, "first.json") == "Be brief\n"
    assert run_python(folder, code, "Agent.json") == "Be very brief\n"


def test_a_state_is_named_by_an_alias_or_a_time_too(tracelib: Command, folder: Path, store: Store) -> None:
    updates = store.updates("app:Agent")
    tracelib("alias", f"Agent@{updates[0].number}", "best")
    tracelib("checkout", "Agent@best", "--out", "best.json")
    tracelib(
        "checkout", f"Agent@{(updates[0].at + timedelta(microseconds=1)).isoformat()}", "--out", "time.json"
    )
    for name in ("best.json", "time.json"):
        assert json.loads((folder / name).read_text())["parameters"] == {"prompt": "Be brief"}


def test_a_checkout_replaces_no_file_unless_forced(tracelib: Command, folder: Path) -> None:
    (folder / "Agent.json").write_text("mine")
    done = tracelib("checkout", "Agent")
    assert (done.code, (folder / "Agent.json").read_text()) == (1, "mine")
    assert "--force" in done.err
    assert tracelib("checkout", "Agent", "--force").code == 0
    assert "Be very brief" in (folder / "Agent.json").read_text()


@pytest.mark.parametrize(
    "program", ["Agnt", "Agent@99", "Agent@nonsense", "Agent@2020-01-01", "app:greet", ""], ids=str
)
def test_a_state_that_is_not_there_is_refused(tracelib: Command, folder: Path, program: str) -> None:
    done = tracelib("checkout", program, "--out", "none.json")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert not (folder / "none.json").exists()


def test_a_checkout_into_a_missing_folder_says_so(tracelib: Command, folder: Path) -> None:
    done = tracelib("checkout", "Agent", "--out", "no/such/agent.json")
    assert done.code == 1
    assert "no/such/agent.json cannot be written" in done.err


def test_a_call_is_replayed_and_gives_the_same(tracelib: Command, folder: Path, store: Store) -> None:
    done = tracelib("replay", newest(store, "greet"), "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("the same, in ")
    failed = tracelib("replay", newest(store, "lookup"), "--yes", "--json")
    assert (failed.code, json.loads(failed.out)[0]["same"]) == (0, True)


def test_a_call_that_gives_something_else_now_ends_with_1(tracelib: Command, folder: Path) -> None:
    code = (
        "import sys, random, tracelib as trace\nfrom tracelib import init\n"
        "@trace.bundle()\ndef draw(n):\n    return random.SystemRandom().getrandbits(n)\n"
        "store = init('./logdir'); draw(64); store.flush()"
    )
    (folder / "drawing.py").write_text(code)
    run_python(folder, "import drawing")
    call = json.loads(tracelib("calls", "draw", "--json").out)[0]
    done = tracelib("replay", str(call["id"]), "--yes")
    assert done.code == 1
    assert done.out.startswith("different, in ")
    assert str(call["output"]) in done.out


def test_a_method_cannot_be_replayed_and_ends_with_2(tracelib: Command, folder: Path, store: Store) -> None:
    done = tracelib("replay", newest(store, "answer"), "--yes")
    assert done.code == 2
    assert "is a method" in done.out


def test_nothing_runs_where_nobody_can_be_asked(tracelib: Command, folder: Path, store: Store) -> None:
    done = tracelib("replay", newest(store, "greet"))
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
