"""A real server on the loopback interface, and models of it that do not wait between attempts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tracelib.llm.openai import OpenAIModel, RetryPolicy
from tracelib.testing import LoopbackServer


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def model(server: LoopbackServer) -> Iterator[OpenAIModel]:
    retry = RetryPolicy(attempts=3, seconds=30, base=0)
    with OpenAIModel("small", base_url=server.base_url, retry=retry) as made:
        yield made
