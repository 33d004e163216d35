"""What a Store does on request, bound late: a program that only records loads no database."""

from __future__ import annotations

from tracelib.late import resolver

TABLE = {
    "Drain": "tracelib.store.draining:Drain",
    "FolderBlobs": "tracelib.store.blobs:FolderBlobs",
    "TableBlobs": "tracelib.store.blobs:TableBlobs",
    "migrate": "tracelib.store.migrations:migrate",
    "sqlite_database": "tracelib.store.database:sqlite_database",
    "url_database": "tracelib.store.database:url_database",
}

late = resolver(TABLE)
"""What the table binds a name to, imported on first use."""
