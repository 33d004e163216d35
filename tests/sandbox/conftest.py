"""A sandbox for each kind that this machine has; closed behind each test's module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from learned import KINDS, SMALL, attack, bystander


@pytest.fixture(scope="module", params=KINDS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Any]:
    kind = KINDS[request.param]
    if kind.missing() is not None:
        pytest.skip(f"{request.param}: {kind.missing()}")
    made = kind(limits=SMALL)
    yield made
    made.close()


@pytest.fixture(scope="module")
def process() -> Iterator[Any]:
    kind = KINDS["process"]
    if kind.missing() is not None:
        pytest.skip(kind.missing())
    made = kind(limits=SMALL)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def as_written() -> Iterator[None]:
    yield
    for bundle in (attack, bystander):
        bundle.parameter.restore(bundle.parameter._code.original, "the test is over", "test")
