"""`show`, `diff`, `graph`: one version, call or difference at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Command

from tracelib.store.store import Store


def newest(store: Store, name: str) -> str:
    return store.calls(name=name, limit=1)[0].id


def test_a_version_is_shown_with_source_dependencies_and_message(tracelib: Command, folder: Path) -> None:
    out = tracelib("show", "greet@1").out
    assert out.startswith("app:greet@1  v1:")
    assert "calls       4\n" in out
    assert "    def clean(text):\n" in out
    assert "    END = '!'\n" in out
    assert '    return f"Hello {clean(name)} ({style})"\n' in out


def test_a_call_is_shown_with_inputs_output_usage_and_its_tree(
    tracelib: Command, folder: Path, store: Store
) -> None:
    out = tracelib("show", newest(store, "ask")).out
    assert "    question = Where is my refund?\n" in out
    assert "output\n    A refund is due\n" in out
    assert (
        "gpt-4o-mini, at openai, 12 tokens in, 30 out, $0.0025, 2 attempts, first token after 120 ms" in out
    )
    tree = tracelib("show", newest(store, "welcome")).out.split("calls\n")[1].splitlines()
    assert [line[:12] for line in tree] == ["welcome@2*  ", "├─ greet@2  ", "└─ greet@2  "]


def test_a_failed_call_is_shown_with_the_line_that_failed(
    tracelib: Command, folder: Path, store: Store
) -> None:
    out = tracelib("show", newest(store, "lookup")).out
    assert "status      failed KeyError\n" in out
    assert "KeyError: 'no order a-17'" in out
    assert 'raise KeyError(f"no order {order}")' in out


def test_source_and_output_are_printed_raw(tracelib: Command, folder: Path, store: Store) -> None:
    assert tracelib("show", "greet", "--source").out == store.version("greet").source
    id = newest(store, "hostile")
    assert tracelib("show", id, "--output").out == str(store.call(id).output)
    assert json.loads(tracelib("show", newest(store, "welcome"), "--output").out) == [
        "Hello Bo?! (kind)",
        "Hello Cy?! (kind)",
    ]
    assert tracelib("show", newest(store, "greet"), "--source").out == store.version("greet").source


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("greet", "--output"), "is a version, and has no output"),
        (("nobody",), "no version or function nobody"),
        (("greet@9",), "9"),
        (("019ac2f4-7d31-7000-8000-000000000000",), "019ac2f4"),
        (("v1:0000",), "v1:0000"),
        (("",), ""),
    ],
    ids=str,
)
def test_what_is_not_there_is_said_in_one_line(
    tracelib: Command, folder: Path, args: tuple[str, ...], words: str
) -> None:
    done = tracelib("show", *args)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert words in done.err


def test_a_failed_call_has_no_output_to_print(tracelib: Command, folder: Path, store: Store) -> None:
    done = tracelib("show", newest(store, "lookup"), "--output")
    assert (done.code, done.out) == (1, "")
    assert "failed KeyError" in done.err


def test_source_and_output_together_are_refused(tracelib: Command, folder: Path) -> None:
    assert tracelib("show", "greet", "--source", "--output").code == 2


def test_json_of_one_call_has_what_was_said_about_it(tracelib: Command, folder: Path, store: Store) -> None:
    id = newest(store, "ask")
    store.comment(id, "well said", by="Ann")
    found = json.loads(tracelib("show", id, "--json").out)
    assert [one["id"] for one in found] == [id]
    assert [said["text"] for said in found[0]["feedback"]] == ["well said"]


def test_a_difference_is_told_in_words_and_marked_in_lines(tracelib: Command, folder: Path) -> None:
    lines = tracelib("diff", "greet@1", "greet").out.splitlines()
    assert "'!' -> '?!'" in lines[0]
    assert lines[2].startswith("--- app:greet v1:")
    assert lines[3].startswith("+++ app:greet v1:")
    assert lines[4].startswith("@@ -")
    assert "-END = '!'" in lines
    assert "+END = '{+?+}!'" in lines


def test_a_version_does_not_differ_from_itself(tracelib: Command, folder: Path) -> None:
    assert tracelib("diff", "greet@1", "greet@1").out == "no difference\n"


def test_json_of_a_difference_has_the_unified_diff(tracelib: Command, folder: Path) -> None:
    (found,) = json.loads(tracelib("diff", "greet@1", "greet@2", "--json").out)
    assert found["id"] == f"{found['old']}..{found['new']}"
    assert "+END = '?!'" in found["unified"]
    assert [change["name"] for change in found["changes"]] == ["END"]


def test_the_graph_of_a_call_is_told_line_by_line(tracelib: Command, folder: Path, store: Store) -> None:
    id = store.calls(name="greet", where='inputs["style"] == "very kind"', limit=1)[0].id
    lines = tracelib("graph", id).out.splitlines()
    assert lines[0].startswith("greet@2*")
    assert "greet0 = greet(name='Ann', style='kind')  'Hello Ann?! (kind)'" in lines
    assert lines[-1] == (
        "greet1 = greet(name=greet0, style='very kind')  'Hello Hello Ann?! (kind)?! (very kind)'"
    )


def test_the_graph_of_a_program_names_its_parameters(tracelib: Command, folder: Path, store: Store) -> None:
    out = tracelib("graph", newest(store, "answer")).out
    assert "prompt is a parameter  'Be very brief'" in out


@pytest.mark.parametrize("suffix", ["svg", "dot"])
def test_a_graph_is_drawn_into_a_file(tracelib: Command, folder: Path, store: Store, suffix: str) -> None:
    done = tracelib("graph", newest(store, "welcome"), "--out", f"welcome.{suffix}")
    assert (done.code, done.out, done.err) == (0, f"welcome.{suffix}\n", "")
    assert "greet" in (folder / f"welcome.{suffix}").read_text(encoding="utf-8")


def test_a_picture_of_an_unknown_kind_is_refused(tracelib: Command, folder: Path, store: Store) -> None:
    done = tracelib("graph", newest(store, "welcome"), "--out", "welcome.bmp")
    assert done.code == 1
    assert "svg, png, pdf, dot" in done.err
    assert not (folder / "welcome.bmp").exists()


def test_which_functions_use_which_is_drawn_into_a_file(tracelib: Command, folder: Path) -> None:
    done = tracelib("graph", "--versions", "welcome", "--out", "uses.svg")
    assert (done.code, done.out, done.err) == (0, "uses.svg\n", "")
    assert "clean" in (folder / "uses.svg").read_text(encoding="utf-8")


def test_a_graph_of_nothing_is_a_usage_error(tracelib: Command, folder: Path) -> None:
    assert tracelib("graph").code == 2
