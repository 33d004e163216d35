"""Values as literals: any text in any quotes, docstrings, and JSON."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tracelib.programs.literals import Manner, docstring, spoken

QUOTES = st.sampled_from(["'x'", '"x"', "'''x'''", '"""x"""', "r'x'", 'R"""x"""', "u'x'"])
TRICKY = st.text(st.sampled_from("a'\"\\\n\t\r \x00é\u200d\u202e😀{}N"), max_size=12) | st.text()


@given(QUOTES, TRICKY, st.booleans())
def test_any_text_is_written_exactly_in_any_quotes(like: str, value: str, ascii_only: bool) -> None:
    literal = Manner.of(like, str.isascii if ascii_only else _encodes).text(value)
    assert ast.literal_eval(literal) == value
    assert "\r" not in literal
    assert literal.lstrip("rRu")[0] == like.lstrip("rRu")[0]


DOCSTRINGS = st.sampled_from(
    ['"""Old."""', "'Old.'", '"""\n    Old.\n    """', '"""Old.\n\n    More."""', 'r"""\n    Old."""']
)


@given(DOCSTRINGS, TRICKY)
def test_a_docstring_says_the_text_or_is_refused(like: str, value: str) -> None:
    try:
        made = docstring(value, like, "    ", _encodes)
    except ValueError:
        assert "\t" in value or spoken(value)[:1].isspace() or "\x0c" in value
        return
    scope: dict[str, Any] = {}
    exec(f"def f():\n    {made}\n", scope)
    assert inspect.getdoc(scope["f"]) == spoken(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_any_json_value_is_written_exactly(value: Any) -> None:
    assert ast.literal_eval(Manner.of("0", _encodes).value(value)) == value


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def test_the_margin_of_a_docstring_is_in_tabs_where_the_file_is() -> None:
    made = docstring("One.\n\n  Two.", '"""\n\t\tOld.\n\t\t"""', "\t\t", _encodes)
    assert made == '"""\n\t\tOne.\n\n\t\t  Two.\n\t\t"""'
    assert docstring("One.\n\\d", 'r"""Old."""', "\t\t", _encodes).startswith('r"""One.\n\t\t\\d')
