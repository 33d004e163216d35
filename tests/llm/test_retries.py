from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tracelib.llm.retry import RetryPolicy, retry_after


def waits(policy, nth, asked=None):
    return [policy.wait(nth, asked) for _ in range(300)]


@pytest.mark.parametrize(("nth", "most"), [(1, 0.5), (2, 1), (3, 2), (6, 16), (7, 20), (2000, 20)])
def test_a_wait_is_anywhere_below_a_doubling_bound(nth, most):
    seen = waits(RetryPolicy(base=0.5, longest=20), nth)
    assert 0 <= min(seen) < most * 0.2
    assert most * 0.8 < max(seen) <= most


def test_a_wait_that_was_asked_for_is_kept_and_spread():
    seen = waits(RetryPolicy(base=0.5), 1, asked=30)
    assert min(seen) >= 30
    assert max(seen) <= 30.5
    assert RetryPolicy(base=0).wait(1, 0.25) == 0.25


def test_it_gives_up_after_its_attempts_or_before_a_wait_too_long():
    policy = RetryPolicy(attempts=3, seconds=10)
    assert not policy.gives_up(nth=2, elapsed=4, wait=6)
    assert policy.gives_up(nth=3, elapsed=0, wait=0)
    assert policy.gives_up(nth=1, elapsed=4, wait=6.1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
)
def test_what_the_endpoint_asks_is_read_in_all_its_forms(headers, seconds):
    assert retry_after(headers) == seconds


def test_a_date_to_come_is_counted_from_now():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < retry_after({"retry-after": date}) <= 60
