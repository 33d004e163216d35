"""The other side of a sandbox: a bare interpreter that forks a confined process per candidate.

Run as `python -I -S worker.py`, with a socket as standard input and its settings as the only argument; it
has nothing but the standard library. The process that is started, the nursery, runs no code of a
candidate: it reads what candidates need, gives up files and the user it was, and forks. Each child has
a socket of its own, runs one candidate's code, and dies with the nursery, as that does with its socket.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import signal
import socket
import struct
import sys
from typing import Any

HEADER = struct.Struct("!I")
NATIVE = ("zlib", "_bz2", "_lzma", "_hashlib", "_decimal", "_sqlite3", "pyexpat", "_uuid")
"""Modules of the standard library that may need libraries of the system."""


def beside(name: str) -> Any:
    """A module of this folder; the interpreter is started without a path to any."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


confinement = beside("confinement")
crossing = beside("crossing")
sys.modules["tracelib"] = beside("stand_in")
servant = beside("servant")


class Line:
    """Messages over a socket: the length of a JSON text in four bytes, then the text."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, message: dict[str, Any]) -> None:
        text = json.dumps(message).encode()
        left = memoryview(HEADER.pack(len(text)) + text)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def receive(self) -> dict[str, Any]:
        (length,) = HEADER.unpack(self._exactly(HEADER.size))
        found: dict[str, Any] = json.loads(self._exactly(length))
        return found

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            part = os.read(self._descriptor, min(count, 1 << 20))
            if not part:
                raise servant.Closed
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


# The nursery


def main() -> None:
    settings = json.loads(sys.argv[1])
    null = os.open(os.devnull, os.O_RDWR)
    control = socket.socket(fileno=os.dup(0))
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    sys.path[:] = [*settings["path"], *sys.path]
    for module in settings["modules"]:
        load(module)
    if settings["landlock"]:
        for module in NATIVE:
            load_libraries(module)
        confinement.read_only(settings["readable"])
    if settings["nobody"]:
        confinement.nobody(reading=settings["landlock"])
    tell(control, {"ready": os.getpid()})
    nurse(control, settings)


def load(module: str) -> None:
    """Load a module beforehand; one that this interpreter has not is no loss."""
    with contextlib.suppress(ImportError):
        __import__(module)


def load_libraries(module: str) -> None:
    """Load the system's libraries that a module of the standard library needs: later they cannot be read."""
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.has_location and spec.origin is not None:
        with contextlib.suppress(OSError):
            ctypes.CDLL(spec.origin)


def tell(control: socket.socket, message: dict[str, Any]) -> None:
    control.sendall(json.dumps(message).encode())


def nurse(control: socket.socket, settings: dict[str, Any]) -> None:
    """Fork a child for each socket that comes, kill those that are to be killed, until the end."""
    children: dict[int, int] = {}  # process by the number that the program gave it
    program = confinement.computing(opening=settings["landlock"])
    gc.freeze()  # or each child's collector would touch, and so copy, all of our pages
    while True:
        asked, sockets, _, _ = socket.recv_fds(control, 4096, 1)
        for number in ended(children):
            del children[number]
        if not asked:
            os._exit(0)
        request = json.loads(asked)
        if "kill" in request:
            if request["kill"] in children:
                os.kill(children[request["kill"]], signal.SIGKILL)
            continue
        child = os.fork()
        if not child:
            control.close()
            be_child(sockets[0], program, request)
        os.close(sockets[0])
        children[request["child"]] = child


def ended(children: dict[int, int]) -> list[int]:
    return [number for number, child in children.items() if os.waitpid(child, os.WNOHANG)[0]]


# A child


def be_child(descriptor: int, program: bytes, limits: dict[str, Any]) -> None:
    """Confine this process, serve calls until the socket ends, and be gone."""
    try:
        line = Line(descriptor)
        confinement.die_with_parent()
        confinement.bounded(limits["memory"], limits["cpu"])
        confinement.filtered(program)
        line.send({"confined": True})
        servant.Servant(line).serve()
    except servant.Closed:
        pass
    except BaseException as error:
        Line(descriptor).send({"broken": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
