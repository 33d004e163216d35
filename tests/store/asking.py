"""Random filters, each with what it means in Python: True, False, or None where the answer is unknown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from stored import FIRST, FUNCTIONS, NOW, ROWS, RUNS, TRICKY, VERSIONS, Row

Truth = bool | None
Atom = tuple[str, Callable[[Row], Truth]]

WORDS = ["greet", "gpt", "GPT-4o-mini", "openai", "ValueError", "app:ask", "lm", "_", "%", "", "o", "other"]
NEEDLES = [
    "",
    "a",
    "n",
    "t",
    "1",
    "0",
    "b",
    "Hello",
    "refund",
    '"',
    "\\",
    "\n",
    "\\n",
    "\x1b",
    "[31m",
    "%",
    "É",
    "é",
]
NEEDLES += [
    "\x00",
    ",",
    ":",
    "who",
    "null",
    "true",
    'say "hi"\n',
    TRICKY,
    "rn",
    "u0",
    "x",
    "\t",
    "hello",
    "école",
]
COLUMNS: dict[str, Callable[[Row], str | None]] = {
    "name": lambda row: FUNCTIONS[row.function][1],
    "function": lambda row: FUNCTIONS[row.function][0],
    "kind": lambda row: FUNCTIONS[row.function][2],
    "model": lambda row: row.model,
    "provider": lambda row: row.provider,
    "error": lambda row: row.error,
}
NUMBERS: dict[str, Callable[[Row], float | None]] = {
    "duration": lambda row: row.duration,
    "first_token": lambda row: row.first_token,
    "tokens_in": lambda row: row.tokens and row.tokens[0],
    "tokens_out": lambda row: row.tokens and row.tokens[1],
    "tokens": lambda row: row.tokens and sum(row.tokens),
    "cost": lambda row: row.cost,
    "attempts": lambda row: row.attempts,
    "version": lambda row: None if row.version is None else VERSIONS[row.version][1],
    "score": lambda row: newest(row, None),
    'score("accuracy")': lambda row: newest(row, "accuracy"),
    "score.tone": lambda row: newest(row, "tone"),
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
MISSING = object()
VALUES: dict[str, Callable[[Row], Any]] = {
    "input": lambda row: row.inputs,
    'inputs["q"]': lambda row: row.inputs.get("q", MISSING),
    'inputs["who"]': lambda row: row.inputs.get("who", MISSING),
    "output": lambda row: MISSING if row.error else row.output,
}


def newest(row: Row, name: str | None) -> float | None:
    found = [score for said, score, _ in row.feedback if score is not None and name in (None, said)]
    return found[-1] if found else None


def known(value: Any, answer: Callable[[Any], bool]) -> Truth:
    return None if value is None or value is MISSING else answer(value)


def lowered(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def tokens(text: str) -> list[str]:
    """JSON's characters, each escape being one; of those with digits the last two are characters."""
    return re.findall(r"\\u00|\\.|.", text, re.DOTALL)


def json_of(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def occurs(needle: str, value: Any, small: bool) -> bool:
    if isinstance(value, str) and value.isprintable():
        return needle in (lowered(value) if small else value)
    text = lowered(json_of(value)) if small else json_of(value)
    wanted, there = tokens(json_of(needle)[1:-1]), tokens(text)
    return any(there[at : at + len(wanted)] == wanted for at in range(len(there) - len(wanted) + 1))


@st.composite
def text_conditions(draw: st.DrawFn) -> Atom:
    name = draw(st.sampled_from(sorted(COLUMNS)))
    word = draw(st.sampled_from(WORDS))
    small = draw(st.booleans())
    shown = f"{name}.lower()" if small else name

    def of(row: Row, answer: Callable[[str], bool]) -> Truth:
        return known(COLUMNS[name](row), lambda text: answer(lowered(text) if small else text))

    forms: list[Atom] = [
        (f"{shown} == {word!r}", lambda row: of(row, lambda text: text == word)),
        (f"{word!r} != {shown}", lambda row: of(row, lambda text: text != word)),
        (f"{word!r} in {shown}", lambda row: of(row, lambda text: word in text)),
        (f"{word!r} not in {shown}", lambda row: of(row, lambda text: word not in text)),
        (f"{shown} in [{word!r}, 'greet']", lambda row: of(row, lambda text: text in (word, "greet"))),
        (f"{shown} not in ({word!r}, 'ask')", lambda row: of(row, lambda text: text not in (word, "ask"))),
        (f"{shown}.startswith({word!r})", lambda row: of(row, lambda text: text.startswith(word))),
        (f"{shown}.endswith({word!r})", lambda row: of(row, lambda text: text.endswith(word))),
    ]
    return draw(st.sampled_from(forms))


@st.composite
def number_conditions(draw: st.DrawFn) -> Atom:
    name = draw(st.sampled_from(sorted(NUMBERS)))
    number = draw(
        st.sampled_from([-1, 0, 1, 2, 3, 5, 15, 0.0, 0.002, 0.125, 0.25, 0.5, 1.5, 2.5, -0.5, 1e30, 10**30])
    )
    operator, other = draw(st.sampled_from(sorted(COMPARE))), draw(st.sampled_from(["<", "<="]))
    value = NUMBERS[name]
    if draw(st.booleans()):
        chain = f"{number!r} {operator} {name} {other} 3"
        return chain, lambda row: known(
            value(row), lambda found: COMPARE[operator](number, found) and COMPARE[other](found, 3)
        )
    return f"{name} {operator} {number!r}", lambda row: known(
        value(row), lambda found: COMPARE[operator](found, number)
    )


@st.composite
def value_conditions(draw: st.DrawFn) -> Atom:
    name = draw(st.sampled_from(sorted(VALUES)))
    needle = draw(st.sampled_from(NEEDLES) | st.text(max_size=3).filter(lambda text: text.isprintable()))
    small = draw(st.booleans())
    shown = f"{name}.lower()" if small else name
    value = VALUES[name]

    def begins(found: Any) -> bool:
        return isinstance(found, str) and (lowered(found) if small else found).startswith(needle)

    def ends(found: Any) -> bool:
        return isinstance(found, str) and (lowered(found) if small else found).endswith(needle)

    forms: list[Atom] = [
        (f"{needle!r} in {shown}", lambda row: known_value(value(row), lambda v: occurs(needle, v, small))),
        (f"{shown}.startswith({needle!r})", lambda row: known_value(value(row), begins)),
        (f"{shown}.endswith({needle!r})", lambda row: known_value(value(row), ends)),
        (f"{name} is None", lambda row: value(row) is None or value(row) is MISSING),
    ]
    if name != "input":
        whole = draw(st.sampled_from([needle, TRICKY, "Hello Ann", 3, 3.0, True, "ann"]))
        forms.append((f"{name} == {whole!r}", lambda row: known_value(value(row), lambda v: same(v, whole))))
        forms.append(
            (f"{name} != {whole!r}", lambda row: known_value(value(row), lambda v: not same(v, whole)))
        )
    return draw(st.sampled_from(forms))


def known_value(value: Any, answer: Callable[[Any], bool]) -> Truth:
    """A value that is None is a value; one that is not there is unknown."""
    return None if value is MISSING else answer(value)


def same(value: Any, other: Any) -> bool:
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


@st.composite
def other_conditions(draw: st.DrawFn) -> Atom:
    hours = draw(st.integers(0, 300))
    moment = (datetime(2026, 11, 1) + timedelta(hours=hours)).isoformat()
    at, age = FIRST + hours * 3_600 * 10**9, NOW - hours * 3_600 * 10**9
    some = draw(st.sampled_from(ROWS))
    digits = draw(st.integers(1, 32))
    word = draw(st.sampled_from(["good", "bad", "50%", "right", "o", "%", "WRONG"]))
    run = draw(st.sampled_from([*RUNS, "none"]))
    hash = draw(st.sampled_from(["v1:aa", "aa01", "cd", "v1:", "1"][:3]))
    forms: list[Atom] = [
        (f"start >= {moment!r}", lambda row: row.start >= at),
        (f"{moment!r} > start", lambda row: row.start < at),
        (f'start > "-{hours}h"', lambda row: row.start > age),
        (f'id == "{some.id.hex[:digits]}"', lambda row: row.id.hex.startswith(some.id.hex[:digits])),
        ("parent is None", lambda row: row.parent is None),
        (f"{word!r} in tags", lambda row: word in row.tags),
        (f"{word!r} not in feedback", lambda row: all(word not in text for _, _, text in row.feedback)),
        ("feedback is None", lambda row: not row.feedback),
        (f"run == {run!r}", lambda row: known(row.run, lambda found: RUNS[found] == run)),
        (f"run != {run!r}", lambda row: known(row.run, lambda found: RUNS[found] != run)),
        (f"version == {hash!r}", lambda row: known(row.version, lambda n: hash in VERSIONS[n][2])),
        (f"version != {hash!r}", lambda row: known(row.version, lambda n: hash not in VERSIONS[n][2])),
        ("status != 'failed'", lambda row: row.error is None),
        ("error", lambda row: row.error is not None),
        ("tokens_in > tokens_out", lambda row: known(row.tokens, lambda pair: pair[0] > pair[1])),
        ("cost < duration", lambda row: known(row.cost, lambda cost: cost < row.duration)),
    ]
    return draw(st.sampled_from(forms))


def both(first: Truth, second: Truth) -> Truth:
    return False if first is False or second is False else None if None in (first, second) else True


def opposite(truth: Truth) -> Truth:
    return None if truth is None else not truth


def joined(children: st.SearchStrategy[Atom]) -> st.SearchStrategy[Atom]:
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(lambda p: (f"({p[0][0]}) and ({p[1][0]})", lambda row: both(p[0][1](row), p[1][1](row)))),
        pairs.map(
            lambda p: (
                f"({p[0][0]}) or ({p[1][0]})",
                lambda row: opposite(both(opposite(p[0][1](row)), opposite(p[1][1](row)))),
            )
        ),
        children.map(lambda p: (f"not ({p[0]})", lambda row: opposite(p[1](row)))),
    )


EXPRESSIONS = st.recursive(
    st.one_of(text_conditions(), number_conditions(), value_conditions(), other_conditions()),
    joined,
    max_leaves=6,
)
