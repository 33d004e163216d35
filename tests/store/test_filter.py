"""The language that selects calls, on both engines: what it selects, and what it refuses."""

from __future__ import annotations

import pytest
from asking import EXPRESSIONS, Atom
from databases import Place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from stored import NOW, ROWS, write

from tracelib.errors import FilterError, TraceError
from tracelib.store.database import Database
from tracelib.store.filters.filter import FIELDS, compiled
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


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batch=st.lists(EXPRESSIONS, min_size=8, max_size=8))
def test_an_expression_means_in_sql_what_it_means_in_python(database: Database, batch: list[Atom]) -> None:
    with database.reading() as connection:
        for expression, truth in batch:
            asked = select(call.c.n).where(compiled(expression, NOW)).order_by(call.c.n)
            found = list(connection.execute(asked).scalars())
            assert found == [row.n for row in ROWS if truth(row) is True], expression
