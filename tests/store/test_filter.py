"""The language that selects calls, on both engines: what it selects, and what it refuses."""

from __future__ import annotations

import json

import pytest
from asking import EXPRESSIONS, Atom
from databases import Place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json
from sqlalchemy import func, select
from stored import FIRST, NOW, ROWS, Row, call_row, write

from tracelib.errors import FilterError, TraceError
from tracelib.store.database import Database
from tracelib.store.filters.filter import FIELDS, compiled
from tracelib.store.schema import call, payload


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


def add_call(database: Database, n: int, inputs: str, output: str) -> None:
    """A call whose values are kept as these texts."""
    with database.writing() as connection:
        connection.execute(call.insert().values(call_row(Row(0, FIRST, n=n))))
        connection.execute(payload.insert().values(call=n, inputs=inputs, output=output))


def test_a_number_is_found_whatever_encoder_wrote_it(place: Place) -> None:
    numbers = [1e-5, 2.5e-5, 1e-7, 1e16, 1.5e20, 1e22, 3.0, -0.0, 0.1, 2**70]
    for n, number in enumerate(numbers):
        for at, text in enumerate((to_json(number).decode(), json.dumps(number))):
            add_call(place.database, 10 * n + at, f'{{"x":{text}}}', text)
    for n, number in enumerate(numbers):
        assert selected(place.database, f"output == {number!r}") == [10 * n, 10 * n + 1]
        assert selected(place.database, f'inputs["x"] in [{number!r}, "x"]') == [10 * n, 10 * n + 1]
    assert selected(place.database, "output in [0, 1e-5]") == [0, 1, 70, 71]


def test_a_text_with_a_rare_end_of_line_in_it_is_looked_for_as_it_is(place: Place) -> None:
    add_call(place.database, 1, "{}", '"a\u2028b\x85c"')
    assert selected(place.database, '"a\u2028b\x85c" in output') == [1]
    assert selected(place.database, '"b\x85c"\n in output\r\nand output.startswith("a\u2028")') == [1]
    assert selected(place.database, '"a b" in output') == []


def test_a_reference_to_all_inputs_is_not_taken_for_inputs(place: Place) -> None:
    add_call(place.database, 1, f'{{"$":"blob","hash":"{"0" * 64}","size":3,"prefix":"x"}}', "null")
    assert selected(place.database, 'inputs["size"] == 3 or "x" in inputs["prefix"]') == []
    assert selected(place.database, 'inputs["size"] is None') == [1]


@pytest.mark.parametrize(
    ("condition", "joined", "count"),
    [
        ("output == 3", " or ", 500),
        ('"n" not in input', " and ", 460),
        ("output.endswith('e')", " or ", 400),
        ("not output.lower().endswith('e')", " and ", 150),
    ],
)
def test_an_expression_of_the_greatest_length_selects_as_a_short_one(
    database: Database, condition: str, joined: str, count: int
) -> None:
    few = selected(database, condition)
    assert few
    assert selected(database, joined.join([condition] * count)) == few


def test_a_list_of_the_greatest_length_is_searched(database: Database) -> None:
    numbers = ", ".join(map(str, range(499)))
    assert selected(database, f"output in [{numbers}]") == [6]
    assert selected(database, f"tokens not in [{numbers}]") == []
    assert 6 not in selected(database, f"output not in [{numbers}]")


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
    ("output == 1e999", "a number", "^"),
    (f"output == {'9' * 400}", "a number", "^"),
    (f"output == 0x{'f' * 5000}", "a number", "^"),
    (f"duration > {'9' * 400}", "a number", "^"),
    (f"name{'.lower()' * 1000} == 'x'", "written once", "^"),
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
