"""What tests of several rooms share: one PostgreSQL server for a whole session."""

from __future__ import annotations

import sys
from pathlib import Path

import hypothesis
import pytest

sys.path.append(str(Path(__file__).parent / "store"))

from databases import postgres_server as postgres_server

from tracelib.graph.tracing import loose

hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def nothing_read_before() -> None:
    """What is read outside any call counts for the next call of the context, and tests share a context."""
    loose.set(())
