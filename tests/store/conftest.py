"""What every test of the store may ask for."""

from __future__ import annotations

from databases import blank as blank
from databases import engine as engine
from databases import place as place
from databases import postgres as postgres
from databases import shared as shared
