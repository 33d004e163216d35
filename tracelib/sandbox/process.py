"""A sandbox of confined processes: one that forks, and a child per candidate, kept between its calls."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence

from tracelib.sandbox import confinement
from tracelib.sandbox.child import Child
from tracelib.sandbox.nursery import Nursery
from tracelib.sandbox.sandbox import Code, Given, Outside, Said, SandboxLimits

IDLE = 16
"""Children that wait for further calls of their candidate; those that waited longest go first."""


class ProcessSandbox:
    """Runs code in processes that the kernel keeps from files, sockets, programs and other processes.

    One process is started when it is first needed; it forks a child per candidate in about a millisecond.
    Safe to be used from many threads: each call in progress has a child of its own. Without `landlock`, or
    where the kernel has none, no file is opened at all: what code imports must be among the modules that
    are loaded beforehand.
    """

    name = "process"

    def __init__(
        self, packages: Sequence[str] = (), limits: SandboxLimits | None = None, landlock: bool = True
    ) -> None:
        self.limits = limits or SandboxLimits()
        self._packages = tuple(packages)
        self._landlock = landlock
        self._kept: Nursery | None = None
        self._idle: OrderedDict[Child, str] = OrderedDict()
        self._spare: Child | None = None
        self._lock = threading.Lock()
        self._owner = os.getpid()
        _open.add(self)

    @staticmethod
    def missing() -> str | None:
        """Why this machine cannot run it; None when it can."""
        if not sys.platform.startswith("linux"):
            return f"it needs Linux, this is {sys.platform}"
        if not confinement.has_seccomp():
            return "this kernel or processor has no seccomp filter that fits"
        return None

    @staticmethod
    def level() -> str:
        """What confines it here."""
        version = confinement.landlock_version()
        files = f"Landlock {version}: reads its own interpreter only" if version else "no file is ever opened"
        user = ", as the user nobody" if os.geteuid() == 0 else ""
        return f"seccomp, limits, {files}{user}"

    def run(self, code: Code, given: Given, outside: Outside) -> Said:
        """What a call of the code came to; raises SandboxStopped when it was stopped or died."""
        child = self._child_for(code)
        try:
            said = child.call(given, outside, self.limits)
        except BaseException:
            child.kill()
            raise
        self._put_back(child, code)
        return said

    def _child_for(self, code: Code) -> Child:
        self._forget_if_forked()
        nursery = self._nursery()
        with self._lock:
            for child, key in self._idle.items():
                if key == code.key:
                    del self._idle[child]
                    return child
        child = self._fresh(nursery)
        try:
            child.load(code, self.limits)
        except BaseException:
            child.kill()
            raise
        return child

    def _fresh(self, nursery: Nursery) -> Child:
        """A new child: the one that was forked beforehand; the next is forked meanwhile."""
        with self._lock:
            child, self._spare = self._spare or nursery.fork(self.limits), None
            self._spare = nursery.fork(self.limits)
        return child

    def _put_back(self, child: Child, code: Code) -> None:
        with self._lock:
            self._idle[child] = code.key
            old = [self._idle.popitem(last=False)[0] for _ in range(len(self._idle) - IDLE)]
        for one in old:
            one.kill()

    def _nursery(self) -> Nursery:
        with self._lock:
            if self._kept is not None and not self._kept.alive:
                self._bury(self._kept)
                self._kept = None
            if self._kept is None:
                self._kept = Nursery(self._packages, self._landlock)
            return self._kept

    def _bury(self, nursery: Nursery) -> None:
        """Close what is left of a process that died: its children died with it."""
        for child in (*self._idle, *self._waiting()):
            child.socket.close()
        self._idle.clear()
        nursery.close()

    def _waiting(self) -> list[Child]:
        """The child that was forked beforehand, which is given up."""
        spare, self._spare = self._spare, None
        return [] if spare is None else [spare]

    def _forget_if_forked(self) -> None:
        """A fork of this process starts its own: children of one socket cannot serve two."""
        if self._owner != os.getpid():
            self._owner, self._kept = os.getpid(), None
            self._idle, self._spare, self._lock = OrderedDict(), None, threading.Lock()

    def close(self) -> None:
        """End all its processes; a later call starts new ones."""
        self._forget_if_forked()
        with self._lock:
            nursery, self._kept = self._kept, None
            idle, self._idle = [*self._idle, *self._waiting()], OrderedDict()
        for child in idle:
            child.socket.close()
        if nursery is not None:
            nursery.close()


_open: weakref.WeakSet[ProcessSandbox] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for one in list(_open):
        one.close()
