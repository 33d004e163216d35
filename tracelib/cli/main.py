"""The command `tracelib`: its group, and how errors and interrupts end it."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from tracelib import __version__
from tracelib.cli.commands import OWN
from tracelib.cli.escaping import visible
from tracelib.cli.plugins import PluginGroup
from tracelib.errors import FilterError, TraceError, TraceWarning

INTERRUPTED = 130
"""The exit code of a command stopped by Ctrl-C, as shells have it (128 + SIGINT)."""
UNREAD = 141
"""The exit code where nobody reads the output any more, as in `tracelib log | head` (128 + SIGPIPE)."""


class Commands(PluginGroup):
    """All commands; one whose reader has gone away ends in silence."""

    def invoke(self, ctx: click.Context) -> Any:
        """As in click, which would end with the code of an error."""
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            ctx.exit(unread())
        return found


def unread() -> int:
    """The exit code for output that nobody reads; what is left of it is written nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD


@click.group(
    cls=Commands,
    commands=OWN,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`tracelib COMMAND --help` says more about a command. Start with `tracelib demo`.",
)
@click.option("--store", metavar="PATH|URL", help="The store, for the command that follows.")
@click.version_option(__version__, message="tracelib %(version)s")
def cli(store: str | None) -> None:
    """Record Python programs that call language models, and let optimizers improve them."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    The code is 0 for success, 1 for an error of ours (one line on stderr), 2 for wrong arguments, 130 for
    Ctrl-C and 141 where nobody reads the output; some commands have codes of their own. Any other
    exception is a defect and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(args))


def run(args: Sequence[str] | None) -> int:
    try:
        with warnings.catch_warnings():
            warnings.showwarning = shown_warning
            code = cli.main(args, prog_name="tracelib", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TraceError as error:
        click.echo(f"Error: {message(error)}", err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        return unread()
    return code if isinstance(code, int) else 0


def message(error: BaseException) -> str:
    """The message of an error, on one line unless it marks a place in lines of its own."""
    return visible(str(error)) if isinstance(error, FilterError) else visible(one_line(error))


def one_line(error: BaseException) -> str:
    """The message of an error on one line; its type where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def shown_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    """Warnings of ours without the place in our code, which says nothing to who typed a command."""
    if issubclass(category, TraceWarning):
        text = " ".join(str(message).split())
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line).strip()
    click.echo(f"Warning: {visible(text)}", err=True)
