"""What a Store does on request, bound late: a program that only records loads no database."""

from __future__ import annotations

from tracelib.late import resolver

TABLE = {
    "Committer": "tracelib.store.commits:Committer",
    "Drain": "tracelib.store.draining:Drain",
    "FolderBlobs": "tracelib.store.blobs:FolderBlobs",
    "TableBlobs": "tracelib.store.blobs:TableBlobs",
    "alias_log": "tracelib.store.marks:alias_log",
    "aliases": "tracelib.store.marks:aliases",
    "call": "tracelib.store.calls:call_of",
    "calls": "tracelib.store.listing:calls",
    "consumed": "tracelib.store.calls:consumed",
    "consumers": "tracelib.store.calls:consumers",
    "difference": "tracelib.versioning.changes:difference",
    "events": "tracelib.store.reading:events",
    "export": "tracelib.store.transfer:export",
    "freeze": "tracelib.store.freezing:freeze",
    "functions": "tracelib.store.versions:functions",
    "graph": "tracelib.store.rebuilding:graph",
    "import_": "tracelib.store.arriving:import_",
    "migrate": "tracelib.store.migrations:migrate",
    "move_alias": "tracelib.store.marks:move_alias",
    "parameters": "tracelib.store.histories:parameters",
    "programs": "tracelib.store.histories:programs",
    "prune": "tracelib.store.prune:prune",
    "remove_alias": "tracelib.store.marks:remove_alias",
    "replay": "tracelib.store.replay:replay",
    "runs": "tracelib.store.reading:runs",
    "said": "tracelib.store.marks:said",
    "say": "tracelib.store.marks:say",
    "section_of": "tracelib.store.calls:section_of",
    "sqlite_database": "tracelib.store.database:sqlite_database",
    "status": "tracelib.store.status:status",
    "tag": "tracelib.store.marks:tag",
    "target": "tracelib.store.reading:target",
    "trace_of": "tracelib.store.calls:trace_of",
    "unfreeze": "tracelib.store.freezing:unfreeze",
    "untag": "tracelib.store.marks:untag",
    "updates": "tracelib.store.histories:updates",
    "url_database": "tracelib.store.database:url_database",
    "verify": "tracelib.store.verify:verify",
    "version": "tracelib.store.versions:version_of",
    "versions": "tracelib.store.versions:versions",
}

late = resolver(TABLE)
"""What the table binds a name to, imported on first use."""
