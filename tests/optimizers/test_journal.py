from __future__ import annotations

import json
import sys
import threading

import pytest

from optimizers.journal import Journal
from tracelib.errors import JournalError

HEADER = {"optimizer": "LocalSearch", "seed": 0, "data": {"train": "abc"}}


def kept(path, header=HEADER):
    with Journal(path, header) as journal:
        return [journal.take("rollout", "k") for _ in range(3)]


def written(path, values=(1, 2)):
    with Journal(path, HEADER) as journal:
        for value in values:
            journal.append("rollout", "k", {"value": value}, at=float(value))
    return path


def test_what_was_appended_is_given_back_in_order_and_once(tmp_path):
    path = written(tmp_path / "run.jsonl")
    assert kept(path) == [{"value": 1}, {"value": 2}, None]


def test_an_entry_is_in_the_file_before_append_returns(tmp_path):
    with Journal(tmp_path / "run.jsonl", HEADER) as journal:
        journal.append("call", "k", "said", at=0.5)
        last = (tmp_path / "run.jsonl").read_text().splitlines()[-1]
        assert json.loads(last) == {"kind": "call", "key": "k", "at": 0.5, "value": "said"}


def test_a_last_line_torn_at_any_byte_is_dropped_and_the_rest_goes_on(tmp_path):
    whole = written(tmp_path / "whole.jsonl").read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for end in range(start, len(whole)):
        path = tmp_path / f"{end}.jsonl"
        path.write_bytes(whole[:end])
        assert kept(path) == [{"value": 1}, None, None]
        written(path, values=(3,))
        assert kept(path) == [{"value": 1}, {"value": 3}, None]


def test_a_torn_header_starts_the_journal_anew(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"journal": 1, "op')
    assert kept(written(path)) == [{"value": 1}, {"value": 2}, None]


def test_a_damaged_line_in_the_middle_is_an_error_that_names_it(tmp_path):
    path = written(tmp_path / "run.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "garbage", lines[2]]) + "\n")
    with pytest.raises(JournalError, match=r"run.jsonl, line 2 is not JSON: b'garbage'"):
        Journal(path, HEADER)
    path.write_text("\n".join([lines[0], '{"kind": "rollout"}']) + "\n")
    with pytest.raises(JournalError, match="line 2 lacks 'key'"):
        Journal(path, HEADER)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"data": {"train": "xyz"}}, "'abc'.* there, .*'xyz'.* here"),
        ({"model": "small"}, "model: None there, 'small' here"),
    ],
)
def test_a_journal_of_another_run_is_refused_with_what_differs(tmp_path, change, said):
    path = written(tmp_path / "run.jsonl")
    with pytest.raises(JournalError, match=said):
        Journal(path, {**HEADER, **change})
    assert len(path.read_text().splitlines()) == 3


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.json"
    path.write_text('{"my": "notes"}\n')
    with pytest.raises(JournalError, match="is not a journal"):
        Journal(path, HEADER)
    assert path.read_text() == '{"my": "notes"}\n'


def test_the_order_of_keys_in_a_value_survives(tmp_path):
    with Journal(tmp_path / "run.jsonl", HEADER) as journal:
        journal.append("rollout", "k", {"b": 1, "a": 2}, at=0)
    assert list(kept(tmp_path / "run.jsonl")[0]) == ["b", "a"]


def test_threads_may_append_at_once(tmp_path):
    path = tmp_path / "run.jsonl"
    with Journal(path, HEADER) as journal:

        def write(name):
            for value in range(100):
                journal.append("rollout", name, "x" * value, at=0)

        threads = [threading.Thread(target=write, args=(str(n),)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Journal(path, HEADER) as again:
        assert again.replayed == 400


@pytest.mark.skipif(sys.platform == "win32", reason="there is no flock")
def test_two_runs_do_not_write_one_journal_at_once(tmp_path):
    with Journal(tmp_path / "run.jsonl", HEADER), pytest.raises(JournalError, match="is in use"):
        Journal(tmp_path / "run.jsonl", HEADER)
    assert kept(tmp_path / "run.jsonl") == [None, None, None]


def test_a_journal_without_a_path_keeps_nothing(tmp_path):
    journal = Journal(None, HEADER)
    journal.append("rollout", "k", 1, at=0)
    assert journal.take("rollout", "k") is None
    assert list(tmp_path.iterdir()) == []
