"""Time that work takes in this process and in a PostgreSQL server that does a part of it."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import elapsed
from tracelib.store.database import Database

PROCESSES = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
SETTLED = 0.05
"""Seconds in which a connection's process at the server has ended after it was closed."""


def clock_of(database: Database) -> Callable[..., float]:
    """Gives the seconds that a call takes: of CPU where the server is on this machine, else by the wall.

    Of a connection that was closed the server's CPU is known to ten milliseconds: time many together.
    """
    asked = "SELECT pg_backend_pid() WHERE inet_server_addr() IS NULL"
    with database.reading() as connection:
        found = connection.exec_driver_sql(asked).scalar()
        if found is None or not (PROCESSES / str(found) / "schedstat").exists():
            return elapsed
        server = int(_fields(str(found))[1])

    def both(work: Callable[..., Any], *args: Any) -> float:
        gc.collect()
        there, here = _used(server), time.process_time()
        result = work(*args)
        here = time.process_time() - here
        del result
        time.sleep(SETTLED)
        return here + _used(server) - there

    return both


def _used(server: int) -> float:
    """CPU seconds of a server's processes: those that run, and those that have ended and were waited for."""
    while True:
        ended = _fields(str(server))[13:15]
        running = sum(_scheduled(one.name, server) for one in PROCESSES.iterdir() if one.name.isdigit())
        if _fields(str(server))[13:15] == ended:
            return running + sum(map(int, ended)) / TICKS


def _scheduled(process: str, server: int) -> float:
    """CPU seconds of a process of the server; none of another one."""
    try:
        if int(_fields(process)[1]) != server:
            return 0.0
        return int((PROCESSES / process / "schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return 0.0


def _fields(process: str) -> list[str]:
    """What Linux tells of a process: its state, its parent, ... (proc_pid_stat(5), from the third field)."""
    return (PROCESSES / process / "stat").read_text().rpartition(")")[2].split()
