"""`log`, `calls`, `alias`: what they list, on both engines, for people and for programs."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from commands import Command, Done

LISTINGS = (("log",), ("calls",), ("calls", "--tree"), ("alias",), ("graph", "--versions"), ("status",))


def objects(done: Done) -> list[dict[str, object]]:
    assert (done.code, done.err) == (0, "")
    found: list[dict[str, object]] = json.loads(done.out)
    return found


def test_the_log_is_newest_first_with_numbers_messages_and_calls(tracelib: Command, where: str) -> None:
    lines = tracelib("log", "greet", "--store", where).out.splitlines()
    assert lines[0].startswith("app:greet@2  v1:")
    assert lines[1].endswith("  4 calls")
    assert "'!' -> '?!'" in lines[2]
    assert lines[4].startswith("app:greet@1  v1:")
    assert "Initial version of greet" in lines[6]


def test_the_log_of_everything_names_every_function(tracelib: Command, where: str) -> None:
    found = objects(tracelib("log", "--store", where, "--json"))
    assert {v["name"] for v in found} >= {"app:greet", "app:welcome", "app:ask", "app:lookup", "app:hostile"}
    assert [v["created_at"] for v in found] == sorted((v["created_at"] for v in found), reverse=True)


def test_the_log_with_patch_shows_what_changed(tracelib: Command, where: str) -> None:
    done = tracelib("log", "greet", "--patch", "--store", where)
    assert "-END = '!'" in done.out
    assert "+END = '{+?+}!'" in done.out
    assert done.out.count("@@ -") == 1


def test_calls_are_newest_first_one_line_each_under_titles(tracelib: Command, where: str) -> None:
    done = tracelib("calls", "greet", "--store", where)
    lines = done.out.splitlines()
    assert lines[0].split() == ["id", "start", "(UTC)", "function", "took", "output"]
    assert len(lines) == 9
    assert "greet@2" in lines[1]
    assert "greet@1" in lines[-1]
    assert "'Hello Ann! (kind)'" in lines[-1]


def test_a_filter_selects_calls(tracelib: Command, where: str) -> None:
    found = objects(
        tracelib("calls", "--where", '"refund" in output and tokens > 40', "--store", where, "--json")
    )
    assert [(call["name"], call["output"], call["cost"]) for call in found] == [
        ("ask", "A refund is due", 0.0025),
        ("ask", "A refund is due", 0.0025),
    ]


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ('"refund" in output and tokens>40', ()),
        ('name=="ask"', ("--where", '"refund" in output and tokens > 40')),
        ("ask", ("--where", '"refund" in output and tokens > 40')),
        ("error", ()),
        ("greet", ()),
    ],
    ids=["filter", "two filters", "name and filter", "filter of one word", "name"],
)
def test_what_is_no_name_of_a_function_is_a_filter(
    tracelib: Command, where: str, given: str, more: tuple[str, ...]
) -> None:
    names = {"error": 'error == "KeyError"', "greet": 'name == "greet"'}
    asked = names.get(given, '"refund" in output and tokens > 40')
    expected = objects(tracelib("calls", "--where", asked, "--store", where, "--json"))
    assert expected
    assert objects(tracelib("calls", given, *more, "--store", where, "--json")) == expected


def test_a_filter_that_is_none_says_so_and_a_name_that_is_none_is_no_filter(
    tracelib: Command, where: str
) -> None:
    assert "did you mean name" in tracelib("calls", 'nmae == "greet"', "--store", where).err
    assert "no function duration is stored" in tracelib("calls", "duration", "--store", where).err


def test_a_failed_call_is_listed_with_its_error(tracelib: Command, where: str) -> None:
    done = tracelib("calls", "--where", 'error == "KeyError"', "--store", where)
    assert "failed KeyError: 'no order a-17'" in done.out


def test_the_tree_shows_calls_below_their_callers(tracelib: Command, where: str) -> None:
    lines = tracelib("calls", "welcome", "--tree", "--limit", "1", "--store", where).out.splitlines()
    assert lines[0].startswith("welcome@2*")
    assert lines[1].startswith("├─ greet@2  ")
    assert lines[2].startswith("└─ greet@2  ")
    assert len(lines) == 3


def test_json_of_calls_is_whole(tracelib: Command, where: str) -> None:
    call = objects(tracelib("calls", "ask", "--limit", "1", "--store", where, "--json"))[0]
    assert len(str(call["id"])) == 36
    assert call["inputs"] == {"question": "Where is my refund?"}
    assert (call["model"], call["tokens_in"], call["attempts"]) == ("gpt-4o-mini", 12, 2)
    start = datetime.fromisoformat(str(call["start"]))
    assert start.utcoffset() == timedelta(0)


@pytest.mark.parametrize("args", LISTINGS, ids=" ".join)
def test_every_listing_has_json_of_objects_with_ids_and_nothing_else(
    tracelib: Command, where: str, args: tuple[str, ...]
) -> None:
    for found in objects(tracelib(*args, "--store", where, "--json")):
        assert found["id"]


@pytest.mark.parametrize("args", [("log",), ("calls",)], ids=" ".join)
def test_a_limit_is_kept_and_0_is_no_limit(tracelib: Command, where: str, args: tuple[str, ...]) -> None:
    assert len(objects(tracelib(*args, "--store", where, "--json", "--limit", "2"))) == 2
    assert len(objects(tracelib(*args, "--store", where, "--json", "--limit", "0"))) > 7


def test_json_is_the_same_each_time(tracelib: Command, where: str) -> None:
    assert (
        tracelib("calls", "--store", where, "--json").out == tracelib("calls", "--store", where, "--json").out
    )


def test_nothing_selected_is_said_beside_the_output(tracelib: Command, where: str) -> None:
    done = tracelib("calls", "--where", "duration > 1000", "--store", where)
    assert (done.code, done.out, done.err) == (0, "", "no call is selected\n")
    assert tracelib("calls", "--where", "duration > 1000", "--store", where, "--json").out == "[]\n"


def test_a_mistaken_filter_is_marked_with_what_was_meant(tracelib: Command, where: str) -> None:
    done = tracelib("calls", "--where", 'modle == "x" and duration > 2', "--store", where)
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert "model" in lines[0]
    assert lines[1].strip() == 'modle == "x" and duration > 2'
    assert lines[2].rstrip().endswith("^^^^^")
    assert lines[2].index("^") == lines[1].index("modle")


def test_an_unknown_function_is_answered_with_a_near_one(tracelib: Command, where: str) -> None:
    done = tracelib("calls", "gret", "--store", where)
    assert (done.code, done.out) == (1, "")
    assert "greet" in done.err


def test_functions_that_use_others_stand_above_them(tracelib: Command, where: str) -> None:
    lines = tracelib("graph", "--versions", "welcome", "--store", where).out.splitlines()
    assert lines == ["app:welcome@2", "└─ app:greet@2"]
