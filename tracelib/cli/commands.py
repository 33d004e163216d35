"""The commands of tracelib itself, each imported when it is run: listing them imports none."""

from __future__ import annotations

from typing import Any

import click

from tracelib.late import resolver

LINES = {
    "alias": "Let a name such as production point to a version, or list such names.",
    "apply": "Put what was learned into your own source.",
    "calls": "List calls, newest first; a filter expression selects.",
    "checkout": "Write a program's parameters, as they were, to a file that load() reads.",
    "comment": "Say something about a call, version or run.",
    "diff": "Show what changed between two versions.",
    "doctor": "Check what tracelib needs, and the store.",
    "export": "Write what is stored as lines of JSON.",
    "graph": "Show the graph behind a call, or which functions use which.",
    "import": "Add what an export holds and is not here yet.",
    "keys": "Keep API keys in your own folder, one for each host.",
    "log": "List versions, newest first.",
    "prune": "Remove old calls.",
    "replay": "Run a stored call again, and compare what it gives.",
    "show": "Show a version or a call.",
    "status": "Say how the store is doing.",
    "tag": "Put tags on a call, version or run, or take them off.",
    "verify": "Check every hash and every reference.",
}
"""Each command, and what it does in a line, as the first sentence of its own help has it."""

TABLE = {
    "alias": "tracelib.cli.aliases:alias",
    "apply": "tracelib.cli.apply:apply",
    "calls": "tracelib.cli.calls:calls",
    "checkout": "tracelib.cli.checkout:checkout",
    "comment": "tracelib.cli.marks:comment",
    "diff": "tracelib.cli.diff:diff",
    "doctor": "tracelib.cli.doctor:doctor",
    "export": "tracelib.cli.transfer:export",
    "graph": "tracelib.cli.graph:graph",
    "import": "tracelib.cli.transfer:import_",
    "keys": "tracelib.cli.keys:keys",
    "log": "tracelib.cli.log:log",
    "prune": "tracelib.cli.prune:prune",
    "replay": "tracelib.cli.replay:replay",
    "show": "tracelib.cli.show:show",
    "status": "tracelib.cli.status:status",
    "tag": "tracelib.cli.marks:tag",
    "verify": "tracelib.cli.verify:verify",
}

late = resolver(TABLE)
"""The command that the table binds a name to, imported on first use."""


class LateCommand(click.Command):
    """Stands for a command in listings; the command itself is imported when arguments are parsed for it."""

    def __init__(self, name: str) -> None:
        super().__init__(name, short_help=LINES[name], help=LINES[name])

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        found: click.Command = late(self.name or "")
        return found.make_context(info_name, args, parent, **extra)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The whole line: it is short enough."""
        return self.short_help or ""


OWN = {name: LateCommand(name) for name in TABLE}
