"""What a Store does on request, bound late: a program that only records loads no database."""

from __future__ import annotations

from tracelib.late import resolver

TABLE = {
    "Committer": "tracelib.store.writing.commits:Committer",
    "Drain": "tracelib.store.draining.drain:Drain",
    "FolderBlobs": "tracelib.store.values.blobs:FolderBlobs",
    "TableBlobs": "tracelib.store.values.blobs:TableBlobs",
    "alias_log": "tracelib.store.keeping.marks:alias_log",
    "aliases": "tracelib.store.keeping.marks:aliases",
    "call": "tracelib.store.questions.calls:call_of",
    "calls": "tracelib.store.questions.listing:calls",
    "consumed": "tracelib.store.questions.calls:consumed",
    "consumers": "tracelib.store.questions.calls:consumers",
    "dependencies": "tracelib.store.questions.traffic:dependencies",
    "difference": "tracelib.versioning.changes:difference",
    "events": "tracelib.store.questions.reading:events",
    "export": "tracelib.store.keeping.transfer:export",
    "freeze": "tracelib.store.writing.freezing:freeze",
    "functions": "tracelib.store.questions.versions:functions",
    "graph": "tracelib.store.questions.rebuilding:graph",
    "is_configured": "tracelib.llm.model:is_configured",
    "import_": "tracelib.store.keeping.arriving:import_",
    "in_file": "tracelib.store.questions.presence:in_file",
    "in_tables": "tracelib.store.questions.presence:in_tables",
    "migrate": "tracelib.store.migrations:migrate",
    "move_alias": "tracelib.store.keeping.marks:move_alias",
    "parameters": "tracelib.store.questions.histories:parameters",
    "programs": "tracelib.store.questions.histories:programs",
    "prune": "tracelib.store.keeping.prune:prune",
    "remove_alias": "tracelib.store.keeping.marks:remove_alias",
    "replay": "tracelib.store.questions.replay:replay",
    "runs": "tracelib.store.questions.reading:runs",
    "said": "tracelib.store.keeping.marks:said",
    "say": "tracelib.store.keeping.marks:say",
    "section_of": "tracelib.store.questions.calls:section_of",
    "sqlite_database": "tracelib.store.database:sqlite_database",
    "status": "tracelib.store.questions.status:status",
    "tag": "tracelib.store.keeping.marks:tag",
    "target": "tracelib.store.questions.reading:target",
    "trace_of": "tracelib.store.questions.calls:trace_of",
    "unfreeze": "tracelib.store.writing.freezing:unfreeze",
    "untag": "tracelib.store.keeping.marks:untag",
    "updates": "tracelib.store.questions.histories:updates",
    "url_database": "tracelib.store.database:url_database",
    "verify": "tracelib.store.keeping.verify:verify",
    "version": "tracelib.store.questions.versions:version_of",
    "versions": "tracelib.store.questions.versions:versions",
}

late = resolver(TABLE)
"""What the table binds a name to, imported on first use."""
