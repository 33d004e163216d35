"""An environment for each peer, made by venv and pip from its file of requirements. Making one downloads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.peers import PEERS

REQUIREMENTS = Path(__file__).parent
HAS = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"


def folder() -> Path:
    """Where the environments are kept for the next time: in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "tracelib-peers"


def interpreters(pythons: Iterable[str]) -> dict[str, str]:
    """An interpreter for each peer: one of these if it has it, else that of an environment made for it.

    A peer that cannot be installed is left out; pip says on stderr why.
    """
    given = list(pythons)
    found = {peer: _having(peer, given) or _made(peer) for peer in PEERS}
    return {peer: python for peer, python in found.items() if python is not None}


def _having(peer: str, pythons: list[str]) -> str | None:
    package = PEERS[peer][0]
    return next((one for one in pythons if _runs([one, "-c", HAS, package])), None)


def _made(peer: str) -> str | None:
    home = folder() / peer
    python = str(home / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    wanted = (REQUIREMENTS / f"{peer}.txt").read_text()
    done = home / "installed.txt"
    if done.exists() and done.read_text() == wanted:
        return python
    print(f"installing {peer} into {home} ...", file=sys.stderr, flush=True)
    install = [python, "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS / f"{peer}.txt")]
    if not (_runs([sys.executable, "-m", "venv", str(home)]) and _runs(install)):
        return None
    done.write_text(wanted)
    return python


def _runs(command: list[str]) -> bool:
    """Whether a command ends well; what it prints goes to stderr."""
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0
