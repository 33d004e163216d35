"""One confined process, as the program sees it: what it is told, what it answers, when it has to end."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tracelib.errors import SandboxStopped, SandboxUnavailable
from tracelib.sandbox.sandbox import Code, Given, Outside, Said, SandboxLimits

HEADER = struct.Struct("!I")
STARTING = 30.0
"""Seconds in which a process of ours has to start; it takes a twentieth of one."""


@dataclass(eq=False)
class Child:
    """One confined process and the socket to it. A reply nobody asked for makes it unusable."""

    socket: socket.socket
    end: Callable[[], None]
    calls: int = 0
    loading: str | None = None

    def load(self, code: Code, limits: SandboxLimits) -> None:
        """Send what the first call needs; whether it could be used is heard before that call's answer."""
        self.loading = code.name
        self._send({"load": code.to_json()}, limits)

    def call(self, given: Given, outside: Outside, limits: SandboxLimits) -> Said:
        """One call, questions to the outside answered on the way; the time these take does not count."""
        if self.loading is None:
            self._expect_silence()
        self.calls += 1
        self._send({"call": given.to_json(), "number": self.calls}, limits)
        if self.loading is not None:
            self._settle(self.loading, limits)
        left = limits.wall
        while True:
            began = time.monotonic()
            message = self._receive(began + left, limits.reply, limits.wall)
            left -= time.monotonic() - began
            if "ask" not in message:
                return self._answer(message)
            self._send(outside.answer(message["ask"]), limits)

    def _settle(self, name: str, limits: SandboxLimits) -> None:
        """Hear that it was confined, then that the code was loaded.

        Raises SandboxUnavailable when the kernel refused the first, SandboxStopped when the second failed.
        """
        said = self._receive(time.monotonic() + STARTING, 1 << 16)
        if "confined" not in said:
            raise SandboxUnavailable(f"the sandbox could not be confined: {said.get('broken', said)}")
        loaded = Said.of(self._receive(time.monotonic() + limits.wall, limits.reply, limits.wall))
        if loaded.error is not None:
            told = f"{loaded.error.kind}: {loaded.error.said}"
            raise SandboxStopped(f"what {name} uses cannot be made in the sandbox: {told}")
        self.loading = None

    def _answer(self, message: dict[str, Any]) -> Said:
        if message.get("to", self.calls) != self.calls:
            raise SandboxStopped(TWICE)
        return Said.of(message)

    def _expect_silence(self) -> None:
        self.socket.setblocking(False)
        try:
            found = self.socket.recv(1)
        except BlockingIOError:
            return
        except OSError as error:
            raise SandboxStopped(f"the sandbox's process died: {error}") from error
        raise SandboxStopped(TWICE if found else DIED)

    def _send(self, message: dict[str, Any], limits: SandboxLimits) -> None:
        text = json.dumps(message).encode()
        self.socket.settimeout(limits.wall)
        try:
            self.socket.sendall(HEADER.pack(len(text)) + text)
        except TimeoutError as error:
            raise SandboxStopped(
                f"the code did not read what it was given in {limits.wall:g} seconds"
            ) from error
        except OSError as error:
            raise SandboxStopped(DIED) from error

    def _receive(self, deadline: float, most: int, wall: float = STARTING) -> dict[str, Any]:
        (length,) = HEADER.unpack(self._exactly(HEADER.size, deadline, wall))
        if length > most:
            raise SandboxStopped(
                f"the result takes {length:,} bytes, at most {most:,} are let out of the sandbox"
            )
        try:
            found = json.loads(self._exactly(length, deadline, wall))
        except (ValueError, RecursionError) as error:
            raise SandboxStopped(f"the sandbox's process answered what is no message: {error}") from error
        if not isinstance(found, dict):
            raise SandboxStopped("the sandbox's process answered what is no message")
        return found

    def _exactly(self, count: int, deadline: float, wall: float) -> bytes:
        parts = []
        while count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise SandboxStopped(f"the code took more than {wall:g} seconds and was stopped")
            self.socket.settimeout(left)
            try:
                part = self.socket.recv(min(count, 1 << 20))
            except TimeoutError:
                continue
            except OSError as error:
                raise SandboxStopped(DIED) from error
            if not part:
                raise SandboxStopped(DIED)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def kill(self) -> None:
        self.socket.close()
        self.end()


TWICE = "the sandbox's process answered more than once"
DIED = "the sandbox's process died: it took too much memory or stack, or ended itself"
