"""The process that forks confined children, as the program sees it: how it is started and told."""

from __future__ import annotations

import functools
import itertools
import json
import os
import socket
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Any

from tracelib.errors import SandboxUnavailable
from tracelib.sandbox import confinement
from tracelib.sandbox.child import STARTING, Child
from tracelib.sandbox.installed import homes_of
from tracelib.sandbox.sandbox import SandboxLimits

WORKER = Path(__file__).with_name("worker.py")
LOADED = """
abc array ast asyncio base64 binascii bisect calendar cmath codecs collections contextlib copy csv ctypes
dataclasses datetime decimal difflib enum fractions functools hashlib heapq html inspect io itertools json
keyword locale logging math numbers operator pathlib pprint queue random re secrets shlex statistics string
struct textwrap threading time traceback types typing unicodedata uuid urllib.parse warnings weakref zoneinfo
"""
"""What is loaded beforehand where no file may be opened afterwards."""


class Nursery:
    """The process that forks children; raises SandboxUnavailable when it cannot be started."""

    def __init__(self, packages: tuple[str, ...], landlock: bool = True) -> None:
        # Messages keep their bounds: one is one request.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(WORKER), json.dumps(settings(packages, landlock))],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={
                    "PYTHONHASHSEED": "0",
                    "LC_CTYPE": "C.UTF-8",
                    "OPENBLAS_NUM_THREADS": "1",
                    "OMP_NUM_THREADS": "1",
                },
                cwd="/",
                start_new_session=True,
            )
        self._control.settimeout(STARTING)
        try:
            ready = json.loads(self._control.recv(4096) or "{}")
        except (OSError, ValueError) as error:
            raise SandboxUnavailable(f"the sandbox did not start: {error}") from error
        if "ready" not in ready:
            raise SandboxUnavailable(f"the sandbox did not start: {self._complaint()}")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def fork(self, limits: SandboxLimits) -> Child:
        """A new confined child."""
        ours, theirs = socket.socketpair()
        number = next(self._numbers)
        asked = json.dumps({"child": number, "memory": limits.memory, "cpu": limits.cpu}).encode()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [asked], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise SandboxUnavailable(f"the sandbox's first process is gone: {error}") from error
        return Child(ours, functools.partial(self.kill, number))

    def kill(self, number: int) -> None:
        try:
            with self._lock:
                self._control.sendall(json.dumps({"kill": number}).encode())
        except OSError:
            self._process.kill()  # children die with it

    def _complaint(self) -> str:
        self._process.kill()
        assert self._process.stderr is not None
        said = self._process.stderr.read().decode(errors="replace").strip()
        return said.splitlines()[-1] if said else ""

    def close(self) -> None:
        self._control.close()
        self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()


def settings(packages: tuple[str, ...], landlock: bool = True) -> dict[str, Any]:
    """What a nursery is told: what it may read and loads beforehand, and whom it becomes."""
    root = os.geteuid() == 0
    reads = landlock and bool(confinement.landlock_version())
    homes = [str(Path(path)) for path in homes_of(packages)]
    return {
        "path": [str(Path(home).parent) for home in homes],
        "modules": [*(() if reads else LOADED.split()), *packages],
        "readable": [*_interpreter(), *homes],
        "landlock": reads,
        "nobody": root,
    }


def _interpreter() -> list[str]:
    """The files of the standard library, without the packages that are installed among them."""
    paths = sysconfig.get_paths()
    folders = {paths["stdlib"], paths["platstdlib"]}
    return [
        entry.path
        for folder in sorted(folders)
        for entry in os.scandir(folder)
        if entry.name not in ("site-packages", "dist-packages")
    ]
