"""Replies are parsed, never searched: what comes out is the answer whole, or an error that says why not."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers.proposers.reply import read_answer
from tracelib.errors import InvalidReply

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

VALUES = {
    "prompt": 'Say "def" or TERMINATE, then stop.\n```json\n{"suggestion": {"prompt": "taken"}}\n```',
    "code": "def greet(lang):\n    return {'en': \"Hello {}\"}[lang].format('x')",
    "shape": {"suggestion": {"prompt": "taken from inside"}, "reasoning": "no"},
    "list": ["{", "}", '{"suggestion": {}}'],
    "number": -1.5e-3,
}
REPLY = json.dumps({"reasoning": 'braces } and { in "strings"', "suggestion": VALUES})


def test_an_answer_is_read_with_its_reasoning() -> None:
    answer = read_answer('{"reasoning": "too long", "suggestion": {"a": 1}}')
    assert (answer.reasoning, answer.suggestion) == ("too long", {"a": 1})


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "```json\n{}\n```",
        "```\n{}\n```\nI hope this helps.",
        "Sure! Here it is: {} Anything else?",
        "<think>maybe {{x}} or {{'a': 1}}</think>\n\n{}",
        'The format is {{"reasoning": ..., "suggestion": ...}}, so:\n{}',
        "\ufeff  \r\n{}\r\n",
    ],
)
def test_prose_fences_and_braces_around_the_answer_do_not_matter(around: str) -> None:
    assert (
        read_answer(around.replace("{{", "{").replace("}}", "}").replace("{}", REPLY, 1)).suggestion == VALUES
    )


def test_the_last_answer_counts_when_a_reply_holds_several() -> None:
    draft, final = '{"suggestion": {"a": "draft"}}', '{"suggestion": {"a": "final"}}'
    assert read_answer(f"First {draft}. On reflection: {final}").suggestion == {"a": "final"}


def test_a_draft_is_not_taken_when_the_answer_behind_it_is_cut_off() -> None:
    with pytest.raises(InvalidReply, match="behind the answer"):
        read_answer('First {"suggestion": {"a": "draft"}}. Better: {"suggestion": {"a": "fin')


def test_a_reply_cut_off_at_any_byte_is_refused() -> None:
    for end in range(len(REPLY)):
        with pytest.raises(InvalidReply):
            read_answer(REPLY[:end])


def test_a_reply_that_lost_its_beginning_is_refused() -> None:
    for start in range(1, len(REPLY)):
        with pytest.raises(InvalidReply):
            read_answer(REPLY[start:])


@given(st.dictionaries(st.text(), json_values, max_size=3), st.text(), st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_any_json_values_survive_and_no_part_of_them_passes_for_the_answer(
    values: dict[str, object], reasoning: str, ascii_only: bool, data: st.DataObject
) -> None:
    text = json.dumps({"suggestion": values, "reasoning": reasoning}, ensure_ascii=ascii_only)
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert read_answer(text).suggestion == values
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(InvalidReply):
        read_answer(text[:end])


@given(st.text())
@settings(max_examples=60, deadline=None)
def test_text_without_an_answer_is_refused_whatever_it_is(text: str) -> None:
    with pytest.raises(InvalidReply) as caught:
        read_answer(text)
    assert caught.value.reply == text


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "no JSON object"),
        ("TERMINATE", "no JSON object"),
        ("def f(): pass", "no JSON object"),
        ('["suggestion"]', "no JSON object"),
        ('{"a": 1}', 'no "suggestion"; its keys are: "a"'),
        ('{"suggestion": null}', '"suggestion"'),
        ('{"suggestion": ["a"]}', '"suggestion"'),
        ('{"suggestion": "text"}', '"suggestion"'),
        ('{"suggestion": {}, "reasoning": 3}', '"reasoning"'),
        ('{"suggestion": {"a": 1, "a": 2}}', 'the key "a" is given twice'),
        ('{"suggestion": {"a": 1}, "suggestion": {"a": 2}}', 'the key "suggestion" is given twice'),
        ('{"suggestion": {"a": NaN}}', "NaN is not JSON"),
        ('{"suggestion": {"a": -Infinity}}', "-Infinity is not JSON"),
        ('{"suggestion": {"a": 1e999}}', "1e999 is too large"),
        ('{"suggestion": {"a": ' + "9" * 5000 + "}}", "5,000 digits"),
        ('{"suggestion": {"a": "\\ud800"}}', "surrogate"),
        ('{"suggestion": {"a": ' + "[" * 200_000 + "]" * 200_000 + "}}", "nested too deeply"),
        ("{'suggestion': {'a': 1}}", "no JSON object"),
    ],
)
def test_what_is_wrong_with_a_reply_is_said(reply: str, reason: str) -> None:
    with pytest.raises(InvalidReply) as caught:
        read_answer(reply)
    assert reason in str(caught.value)


def test_a_line_break_inside_a_string_is_read_as_it_stands() -> None:
    assert read_answer('{"suggestion": {"a": "two\nlines"}}').suggestion == {"a": "two\nlines"}


def test_the_largest_integer_python_converts_is_read() -> None:
    assert read_answer('{"suggestion": {"a": ' + "9" * 4300 + "}}").suggestion["a"] == int("9" * 4300)


@pytest.mark.parametrize("hostile", ["{" * 200_000, '{"a":' * 50_000, '{"' * 100_000, "{}" * 100_000])
def test_a_hostile_reply_is_refused_soon(hostile: str) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidReply):
        read_answer(hostile)
    assert time.perf_counter() - started < 5
