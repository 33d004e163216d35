"""What tests of several rooms share: one PostgreSQL server for a whole session."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "store"))

from databases import postgres_server as postgres_server
