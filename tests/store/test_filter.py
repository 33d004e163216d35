"""The language that selects calls, on both engines: what it selects, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from databases import Place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from stored import FIRST, FUNCTIONS, NOW, ROWS, RUNS, TRICKY, VERSIONS, Row, write

from tracelib.errors import FilterError, TraceError
from tracelib.store.database import Database
from tracelib.store.filter import FIELDS, compiled
from tracelib.store.schema import call


@pytest.fixture(scope="module")
def database(shared: Place) -> Database:
    with shared.database.writing() as connection:
        write(connection)
    return shared.database


def selected(database: Database, expression: str) -> list[int]:
    with database.reading() as connection:
        asked = select(call.c.n).where(compiled(expression, NOW)).order_by(call.c.n)
        return list(connection.execute(asked).scalars())


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ('name == "greet"', [1, 4, 5, 6, 8, 9]),
        ('function == "app:greet"', [1, 5, 6, 9]),
        ('kind == "lm" and duration > 2', [3, 7]),
        ('name == "ask" and duration > 2 and "refund" in output', []),
        ('"refund" in output', [2]),
        ('"refund" in input', [2]),
        ('inputs["who"] == "Ann"', [1]),
        ('inputs["who"].lower() == "ann"', [1, 8]),
        ('inputs["n"] == 3', [2]),
        ('inputs["who"] is None', [2, 3, 5, 6, 7]),
        ("output == 3", [6]),
        ("output == 3.0", [6]),
        ("output == True", []),
        ('output == ""', [9]),
        ("output is None", [3, 7]),
        ('"hello" in output.lower()', [1, 5]),
        ('output.startswith("Hello")', [1]),
        ('output.endswith("due")', [2]),
        ("error", [3, 7]),
        ("not error", [1, 2, 4, 5, 6, 8, 9]),
        ('status == "failed" and error != "KeyError"', [3]),
        ('status in ["failed", "interrupted"]', [3, 7]),
        ("parent is None", [1, 3, 4, 5, 6, 8, 9]),
        ('model in ["gpt", "gpt-4o"]', [2, 9]),
        ('model not in ["gpt", "gpt-4o"]', [3, 6]),
        ('"gpt" in model.lower()', [2, 3, 9]),
        ('"_" in model', [6]),
        ('model.startswith("gpt")', [2, 9]),
        ("cost > 0.001", [2]),
        ("not cost > 0.001", [6]),
        ("cost is None", [1, 3, 4, 5, 7, 8, 9]),
        ("tokens > 7", [2, 9]),
        ("tokens_in > tokens_out", [2, 9]),
        ("first_token < duration", [2]),
        ("0.5 <= duration < 1", [2, 6]),
        ("2 < duration", [3, 5, 7]),
        ("duration > -1", list(range(1, 10))),
        ('start >= "2026-11-05"', [7, 8, 9]),
        ('start > "-36h"', [9]),
        ('"2026-11-02" <= start < "2026-11-03T00:00:00+00:00"', [3]),
        ("version == 2", [5]),
        ("version > 1", [5]),
        ('version == "aa"', [1, 4, 9]),
        ('version == "v1:aa01"', [1, 4, 9]),
        ('version == "greet@1"', [1, 4, 9]),
        ('version == "app:greet@1"', [1, 9]),
        ('version == "app:greet@production"', [1, 9]),
        ('version == "greet@staging"', []),
        ('version != "ff"', [1, 2, 3, 4, 5, 7, 9]),
        ("version is None", [6, 8]),
        ('"good" in tags', [1, 4]),
        ('"good" not in tags and "bad" not in tags', [2, 3, 5, 6, 7, 9]),
        ('score("accuracy") > 0.5', [2]),
        ("score.accuracy <= 0.25", [3, 7]),
        ("score > 0.5", [2, 7]),
        ("score is None", [1, 4, 5, 6, 8, 9]),
        ('"wrong" in feedback.lower()', [3]),
        ("feedback is None", [1, 4, 5, 6, 8, 9]),
        ('run == "nightly"', [3]),
        ('run != "nightly"', [4]),
        (f'id == "{ROWS[3].id}"', [4]),
        (f'id == "{ROWS[3].id.hex[:12]}"', [4]),
        (f'id in ["{ROWS[3].id}", "{ROWS[0].id}"]', [1, 4]),
        ('not (error or "Ann" in input) and attempts is None', [4, 5, 6, 8, 9]),
    ],
)
def test_an_expression_selects_the_calls_it_describes(
    database: Database, expression: str, rows: list[int]
) -> None:
    assert selected(database, expression) == rows


@pytest.mark.parametrize(
    "needle", ["%", "_", "100%", '"', '"hi"', "\\", "\\n", "\n", "\tn", "C:\\new", "ë", "'"]
)
def test_no_character_of_a_text_has_a_meaning(database: Database, needle: str) -> None:
    strings = {row.n: row.output for row in ROWS if isinstance(row.output, str)}
    found = selected(database, f"{needle!r} in output")
    assert [n for n in found if n in strings] == [n for n, text in strings.items() if needle in text]


def test_a_text_that_ends_the_statement_is_only_a_text(database: Database) -> None:
    assert selected(database, """name == "'; drop table call; --" or '"; drop table' in output""") == []
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(call)).scalar_one() == len(ROWS)


REFUSED = [
    ('modle == "x"', "did you mean model", "^^^^^"),
    ('cost > "3"', "cost is a number", "^" * 10),
    ("name == 3", "name is text", "^" * 9),
    ('name < "x"', "no order", "^" * 10),
    ('status == "faild"', "did you mean 'failed'", "^" * 17),
    ('name = "greet"', "no expression", "^"),
    ('name == "greet', "no expression", "^"),
    ("", "says what to select", ""),
    ("name", "always there", "^^^^"),
    ('"Zoë" in inputs and foo == 1', "no field foo", " " * 20 + "^^^"),
    ('__import__("os").system("true")', "is not known", "^"),
    ("(lambda: 1)() == 1", "a field of a call belongs here", "^"),
    ("[n for n in name] == 1", "a field of a call belongs here", "^"),
    ('id == "xyz"', "is no id", "^"),
    ('start > "soon"', "is no time", "^"),
    ('start == "2026-11-01"', "a moment", "^"),
    ("output > 3", "compared as it is stored", "^"),
    ('input == "x"', 'inputs["name"]', "^"),
    ('inputs.question == "x"', 'inputs["question"]', "^"),
    ('name.upper() == "X"', ".upper() is not known", "^"),
    ('output.contains("x")', 'write "..." in output', "^"),
    ("1 == 1", "no field of a call", "^"),
    ("name == kind", "where both are numbers", "^"),
    ("cost is 3", "`is` asks for None", "^"),
    ("cost > None", "None has no order", "^"),
    ("cost in [1, None]", "`is None`", "^"),
    ("model in []", "a list holds values", "^"),
    ("model in 'gpt-4o'", "the field to search", "^"),
    ("3 in output", "a text is looked for", "^"),
    ('"a" in cost', "no text to search", "^"),
    ("cost > 1e999", "a number", "^"),
    ("cost > True", "a number", "^"),
    ('version == "newest"', "is no version", "^"),
    ('name == "a\\0b"', "NUL", "^"),
    ('"\\ud800" in output', "surrogate", "^"),
    ("not " * 60 + "error", "nested", "^"),
    (" or ".join(["error"] * 600), "at most 500", "^"),
    ("(" * 300 + "error" + ")" * 300, "no expression", "^"),
    ('name == "' + "x" * 10_000 + '"', "at most 10,000 characters", ""),
]


@pytest.mark.parametrize(("expression", "reason", "marks"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_understood_is_refused_with_its_place(expression: str, reason: str, marks: str) -> None:
    with pytest.raises(FilterError) as caught:
        compiled(expression)
    message = str(caught.value)
    assert reason in message
    assert isinstance(caught.value, TraceError)
    if marks:
        shown, below = message.splitlines()[-2:]
        assert shown.strip() == expression.strip()
        assert below.removeprefix("    ").startswith(marks) or below.strip().startswith(marks)


def test_a_wrong_name_is_told_all_that_are_known() -> None:
    with pytest.raises(FilterError) as caught:
        compiled("nothing_like_it")
    assert all(name in str(caught.value) for name in [*FIELDS, "start"])


@given(text=st.text(max_size=60) | st.from_regex(r"[a-z ().=<>\"\[\]]{1,40}", fullmatch=True))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    try:
        compiled(text)
    except FilterError:
        pass


# Random expressions, with what they mean in Python: True, False, or None where the answer is unknown.

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


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batch=st.lists(EXPRESSIONS, min_size=8, max_size=8))
def test_an_expression_means_in_sql_what_it_means_in_python(database: Database, batch: list[Atom]) -> None:
    with database.reading() as connection:
        for expression, truth in batch:
            asked = select(call.c.n).where(compiled(expression, NOW)).order_by(call.c.n)
            found = list(connection.execute(asked).scalars())
            assert found == [row.n for row in ROWS if truth(row) is True], expression
