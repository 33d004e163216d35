"""Cut text says what was cut, and fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optimizers.evidence.excerpt import Excerpt, fair_shares


def test_a_short_text_is_whole_and_has_no_mark() -> None:
    excerpt = Excerpt.of("short", 5)
    assert (str(excerpt), excerpt.whole, excerpt.mark) == ("short", True, "")


def test_a_cut_text_says_how_much_of_how_much_is_missing() -> None:
    excerpt = Excerpt.of("a" * 99_000 + "z" * 1_000, 1_000)
    assert (
        excerpt.mark
        == f"[... {100_000 - len(excerpt.head) - len(excerpt.tail):,} of 100,000 characters cut ...]"
    )
    assert str(excerpt) == excerpt.head + excerpt.mark + excerpt.tail
    assert set(excerpt.head) == {"a"}
    assert set(excerpt.tail) == {"z"}


@given(st.text(max_size=400), st.integers(60, 400))
def test_a_cut_text_fits_its_limit(text: str, limit: int) -> None:
    assert len(str(Excerpt.of(text, limit))) == len(Excerpt.of(text, limit)) <= limit


@given(st.text(min_size=400, max_size=800), st.integers(60, 300), st.integers(60, 300))
def test_cutting_twice_still_tells_the_length_of_the_whole(text: str, once: int, twice: int) -> None:
    excerpt = Excerpt.of(text, once).cut(twice)
    assert excerpt.total == len(text)
    assert text.startswith(excerpt.head)
    assert text.endswith(excerpt.tail)
    assert len(excerpt) <= twice


@given(st.lists(st.integers(0, 1_000), max_size=20), st.integers(0, 5_000))
def test_shares_never_exceed_the_total_nor_what_is_wanted(wanted: list[int], total: int) -> None:
    shares = fair_shares(wanted, total)
    assert sum(shares) <= total
    assert all(share <= want for share, want in zip(shares, wanted, strict=True))


def test_texts_that_fit_together_are_given_all_they_want() -> None:
    assert fair_shares([10, 0, 90], 100) == [10, 0, 90]
