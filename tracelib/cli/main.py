"""The command `tracelib`: its group, and how errors and interrupts end it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from tracelib import __version__
from tracelib.cli.plugins import PluginGroup
from tracelib.errors import TraceError

INTERRUPTED = 130
"""The exit code of a command stopped by Ctrl-C, as shells have it (128 + SIGINT)."""


@click.group(
    cls=PluginGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`tracelib COMMAND --help` says more about a command. Start with `tracelib demo`.",
)
@click.version_option(__version__, message="tracelib %(version)s")
def cli() -> None:
    """Record Python programs that call language models, and let optimizers improve them."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    The code is 0 for success, 1 for an error of ours (one line on stderr), 2 for wrong arguments and
    130 for Ctrl-C. Any other exception is a defect and keeps its traceback.
    """
    sys.exit(run(args))


def run(args: Sequence[str] | None) -> int:
    try:
        code = cli.main(args, prog_name="tracelib", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TraceError as error:
        click.echo(f"Error: {one_line(error)}", err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def one_line(error: BaseException) -> str:
    """The message of an error on one line; its type where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__
