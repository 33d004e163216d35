"""What tests of several rooms share: one PostgreSQL server for a whole session."""

from __future__ import annotations

import sys
from pathlib import Path

import hypothesis

sys.path.append(str(Path(__file__).parent / "store"))

from databases import postgres_server as postgres_server

hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
