"""docs/command-line.md: its program and its commands are run, in order, and show what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from programs import environment

from tracelib.store.store import open_store

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STANDS_FOR = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}) (?:is )?the newest call of (\w+)")


def test_the_page_shows_what_its_commands_print(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = dict(STANDS_FOR.findall(page))
    blocks = BLOCK.findall(page)
    (tmp_path / "shop.py").write_text(
        "".join(text for kind, text in blocks if kind == "python"), encoding="utf-8"
    )
    commands = [pair for kind, text in blocks if kind == "console" for pair in commands_of(text)]
    assert len(commands) > 25
    for command, shown in commands:
        done = typed(tmp_path, with_ids(tmp_path, command, named))
        assert "Traceback" not in done, done
        for line in with_ids(tmp_path, shown, named).splitlines():
            assert appears(line, done), f"{command} does not show {line!r}:\n{done}"


def commands_of(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, and the lines shown below it."""
    for part in block.removeprefix("$ ").split("\n$ "):
        command, _, shown = part.partition("\n")
        yield command, shown


def typed(folder: Path, command: str) -> str:
    """What a shell shows of a command."""
    shell = (
        f'tracelib() {{ "{sys.executable}" -m tracelib "$@"; }}; python() {{ "{sys.executable}" "$@"; }}\n'
    )
    done = subprocess.run(
        ["bash", "-c", shell + command],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def with_ids(folder: Path, text: str, named: dict[str, str]) -> str:
    """The text with the ids of this run in place of the page's."""
    found = [id for id in named if id in text]
    store = open_store(str(folder / "logdir")) if found else None
    for id in found:
        assert store is not None
        text = text.replace(id, store.calls(name=named[id], limit=1)[0].id)
    return text


def appears(line: str, output: str) -> bool:
    """Whether a line is among the output's; `...` stands for anything, blanks at the start for any."""
    pattern = ".*".join(re.escape(part) for part in line.strip().split("..."))
    return re.search(rf"^\s*{pattern}$", output, re.MULTILINE) is not None
