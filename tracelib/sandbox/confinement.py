"""What a process gives up, for good: files, sockets, other processes, memory. Linux only; nothing but the
standard library, for it is loaded by a bare interpreter.

Landlock decides which files may be read, seccomp which calls into the kernel there are at all: a list of
those that computing needs, everything else is refused, what later kernels add as well. Both are the
kernel's: no trick in Python, ctypes included, gets around them. See landlock(7) and seccomp(2).
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import resource
import struct
from collections.abc import Iterable

NOBODY = 65534

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_DUMPABLE = 1, 38, 22, 4
SECCOMP_MODE_FILTER = 2
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION = 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
PR_SET_KEEPCAPS = 8
CAPABILITIES = struct.pack("Ii", 0x20080522, 0)
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1 << 1, 1 << 2

# The kernel's number of each call on x86_64 and on aarch64 (-1: there is none there).
CALLS = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "stat": (4, -1),
    "fstat": (5, 80),
    "lstat": (6, -1),
    "poll": (7, -1),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "readv": (19, 65),
    "writev": (20, 66),
    "access": (21, -1),
    "select": (23, -1),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "dup": (32, 23),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "uname": (63, 160),
    "getdents": (78, -1),
    "getcwd": (79, 17),
    "readlink": (89, -1),
    "getrusage": (98, 165),
    "times": (100, 153),
    "getuid": (102, 174),
    "getgid": (104, 176),
    "geteuid": (107, 175),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "getdents64": (217, 61),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "epoll_wait": (232, -1),
    "epoll_ctl": (233, 21),
    "openat": (257, 56),
    "newfstatat": (262, 79),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "pselect6": (270, 72),
    "ppoll": (271, 73),
    "epoll_pwait": (281, 22),
    "epoll_create1": (291, 20),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "statx": (332, 291),
    "faccessat2": (439, 439),
}
# Calls that are allowed with one of these first or second arguments only: (place of the argument, values).
# fcntl without F_SETOWN, which makes the kernel send signals to others; pairs of sockets that lead nowhere;
# what sets a descriptor's own flags.
CHECKED = {
    "fcntl": ((72, 25), 1, (0, 1, 2, 3, 4, 1030)),
    "socketpair": ((53, 199), 0, (1,)),
    "ioctl": ((16, 29), 1, (0x5421, 0x5450, 0x5451)),  # FIONBIO, FIONCLEX, FIOCLEX
}
ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

# Classic BPF: (code, jump if true, jump if false, value).
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
KILL, ALLOW, REFUSE = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EPERM
NUMBER, ARCH, ARGUMENTS = 0, 4, 16


class Unconfined(OSError):  # noqa: N818 - what it is
    """The kernel has not, or refused, what a confinement needs."""


def landlock_version() -> int:
    """Which Landlock the kernel has, 0 for none."""
    found: int = _libc().syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), LANDLOCK_VERSION)
    return max(0, found)


def has_seccomp() -> bool:
    """Whether the kernel takes filters, and our list fits its processor."""
    return platform.machine() in ARCHES and os.path.exists("/proc/sys/kernel/seccomp/actions_avail")


def read_only(paths: Iterable[str]) -> None:
    """From now on this process and its children read these files and folders and touch no others."""
    version = landlock_version()
    if not version:
        raise Unconfined("this kernel has no Landlock")
    libc = _libc()
    handled = struct.pack("QQQ", _rights(version), 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _done(libc.syscall(LANDLOCK_CREATE, handled, ctypes.c_size_t(size), 0), "a Landlock ruleset")
    try:
        for path in paths:
            _allow(libc, rules, path)
        no_new_rights()
        _done(libc.syscall(LANDLOCK_RESTRICT, rules, 0), "the Landlock restriction")
    finally:
        os.close(rules)


def _rights(version: int) -> int:
    """All rights over files that this version knows: what is not named here would stay allowed."""
    return (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1


def _allow(libc: ctypes.CDLL, rules: int, path: str) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    try:
        rights = READ_FILE | READ_DIR if os.path.isdir(path) else READ_FILE
        rule = struct.pack("=Qi", rights, opened)
        _done(libc.syscall(LANDLOCK_ADD, rules, 1, rule, 0), f"a rule for {path}")
    finally:
        os.close(opened)


def computing(opening: bool = True) -> bytes:
    """The filter that lets through what computing needs, and refuses every other call into the kernel.

    Without `opening` no file can be opened at all, for kernels that have no Landlock.
    """
    place, arch = ARCHES[platform.machine()]
    names = [name for name in CALLS if opening or name not in ("openat", "getdents", "getdents64")]
    program = [
        (LOAD, 0, 0, ARCH),
        (EQUAL, 1, 0, arch),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ]
    for name in names:
        if CALLS[name][place] >= 0:
            program += [(EQUAL, 0, 1, CALLS[name][place]), (RETURN, 0, 0, ALLOW)]
    for numbers, argument, values in CHECKED.values():
        inner = [(LOAD, 0, 0, ARGUMENTS + 8 * argument)]
        for value in values:
            inner += [(EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW)]
        inner.append((RETURN, 0, 0, REFUSE))
        program += [(EQUAL, 0, len(inner), numbers[place]), *inner]
    program.append((RETURN, 0, 0, REFUSE))
    return b"".join(struct.pack("HBBI", *each) for each in program)


def filtered(program: bytes) -> None:
    """Put this process behind a filter, for good."""
    code = ctypes.create_string_buffer(program)
    whole = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    no_new_rights()
    libc = _libc()
    _done(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, whole, 0, 0), "the seccomp filter")


def no_new_rights() -> None:
    """No program that is started from here gets more rights than this process has."""
    _done(_libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def die_with_parent() -> None:
    """Be killed when the parent process ends; nobody else reads this process's memory."""
    libc = _libc()
    _done(libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0), "the signal of the parent's death")
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def nobody(reading: bool) -> None:
    """Be the user nobody, for good; only root can.

    With `reading` files are read that are root's alone, as an interpreter in root's home is: of those that
    Landlock leaves, so only after `read_only`.
    """
    libc = _libc()
    if reading:
        _done(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "to keep a capability")
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if reading:
        for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, 0):
            if libc.capset(CAPABILITIES, struct.pack("IIIIII", capability, capability, 0, 0, 0, 0)) == 0:
                return


def bounded(memory: int, cpu: int, files: int = 64) -> None:
    """At most so many bytes of memory, seconds of processor and open files; nothing is written to a file."""
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_NOFILE: files,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, limit))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _done(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise Unconfined(number, f"the kernel refused {what}: {os.strerror(number)}")
    return result
