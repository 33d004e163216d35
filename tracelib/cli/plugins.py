"""Commands of other packages, found by the entry-point group `tracelib.commands`."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

import click

GROUP = "tracelib.commands"


class BrokenCommand(click.Command):
    """Stands for a command whose package cannot be imported: listed with the error, and fails with it."""

    def __init__(self, entry: EntryPoint, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self.problem = f"cannot be loaded from {entry.value} ({origin(entry)}): {reason}"
        super().__init__(entry.name, short_help=f"[{self.problem}]", help=f"This command {self.problem}")

    def invoke(self, ctx: click.Context) -> None:
        raise click.ClickException(f"`{ctx.command_path}` {self.problem}")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Any arguments: the command's own options are not known."""
        ctx.args = args
        return args

    def get_short_help_str(self, limit: int = 45) -> str:
        """The whole error: cut off it would help nobody."""
        return self.short_help or ""


class PluginGroup(click.Group):
    """A group with its own commands and those that installed packages add to it.

    Its own win over an added one of the same name. One that cannot be imported becomes a BrokenCommand.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entry = added().get(cmd_name)
        return None if entry is None else load(entry)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, but a name that is nearly right is answered with the right one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if close and close[0] not in error.message:
                raise click.UsageError(f"{error.message} Did you mean `{close[0]}`?", ctx) from error
            raise


def added() -> dict[str, EntryPoint]:
    """The added commands by name; where two packages add one name, the first in alphabetical order."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value), reverse=True)
    return {entry.name: entry for entry in found}


def load(entry: EntryPoint) -> click.Command:
    """The command behind an entry point; a BrokenCommand if importing it fails or it is none."""
    try:
        command = entry.load()
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.value} is no click command but a {type(command).__name__}")
    except Exception as error:  # another package's code; whatever is wrong there, our commands must go on
        return BrokenCommand(entry, error)
    return command


def origin(entry: EntryPoint) -> str:
    """The distribution that adds the command, with its version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"
