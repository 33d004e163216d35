"""How stored JSON becomes values again: blobs are put back in place, then types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from tracelib.store.values.blobs import Blobs, compact, inflated
from tracelib.store.values.decoding import decode

BLOB = '{"$":"blob",'
"""How the JSON of a reference to a blob begins."""


def structure(connection: Connection, blobs: Blobs, text: str | None) -> Any:
    """A section as json.loads gives it, blobs in place; raises StoreError when one is missing."""
    return None if text is None else inflated(json.loads(text), lambda hash: blobs.get(connection, hash))


def whole(connection: Connection, blobs: Blobs, text: str) -> str:
    """The JSON of a section, blobs in place."""
    return compact(structure(connection, blobs, text)) if BLOB in text else text


def value(connection: Connection, blobs: Blobs, text: str | None) -> Any:
    """One value, as nearly as it was as it can be; None where there is none."""
    return None if text is None else decode(whole(connection, blobs, text))


def named(connection: Connection, blobs: Blobs, text: str | None) -> Mapping[str, Any] | None:
    """Values by name; None where there are none."""
    found = value(connection, blobs, text)
    return found if found is None or isinstance(found, Mapping) else {"": found}
