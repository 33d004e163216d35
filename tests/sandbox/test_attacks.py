"""What code in a sandbox cannot do: each attack ends in an error of the call, and nobody else notices."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from learned import COUNTING, attack, bystander, learn

from tracelib.errors import ExecutionError, SandboxStopped

CANARY = "canary-2718281828"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that any user may read and write, with a secret in it."""
    folder = tmp_path_factory.mktemp("open")
    for one in (folder, *folder.parents):
        if one.stat().st_uid == os.getuid() and one != Path("/"):
            one.chmod(one.stat().st_mode | 0o755)
    folder.chmod(0o777)
    (folder / "secret").write_text(CANARY)
    (folder / "secret").chmod(0o644)
    return folder


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A TCP and a UDP port of this machine, and who came there."""
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        tcp.settimeout(0.2)
        udp.settimeout(0.2)
        yield port, heard
        for take in (tcp.accept, lambda: udp.recv(10)):
            try:
                take()
                heard.append("somebody")
            except TimeoutError:
                pass
        assert heard == []


def fails(sandbox: Any, source: str, given: Any = None) -> ExecutionError:
    """The error that an attack ends in; a bystander's state is as it was before."""
    learn(
        bystander,
        COUNTING if sandbox.name == "process" else "def bystander(x): return [x, 1, len('abc')]",
        sandbox,
    )
    before = bystander(1).data[1]
    learn(attack, source, sandbox)
    with pytest.raises(ExecutionError) as caught:
        attack(given)
    _, count, three = bystander(1).data
    assert three == 3
    assert count == (before + 1 if sandbox.name == "process" else 1)
    assert CANARY not in str(caught.value)
    return caught.value


def raising(expression: str, imports: str = "os") -> str:
    return f"def attack(x):\n    import {imports}\n    return {expression}"


FILES = {
    "a file": "open(x + '/secret').read()",
    "by its descriptor": "os.read(os.open(x + '/secret', os.O_RDONLY), 100)",
    "by its path": "pathlib.Path(x + '/secret').read_text()",
    "a listing": "os.listdir(x)",
    "the home": "os.listdir(os.path.expanduser('~'))",
    "the root": "os.listdir('/')",
    "users": "open('/etc/passwd').read()",
    "the environment of the parent": "open(f'/proc/{os.getppid()}/environ').read()",
    "its memory": "open('/proc/self/mem', 'rb').read(1)",
    "a link": "os.symlink(x + '/secret', x + '/link')",
    "writing": "open(x + '/made', 'w').write('x')",
    "writing beside": "open('made', 'w').write('x')",
    "temporary": "tempfile.NamedTemporaryFile().write(b'x')",
    "shared memory": "open('/dev/shm/made', 'w').write('x')",
    "removing": "os.remove(x + '/secret')",
    "renaming": "os.rename(x + '/secret', x + '/made')",
    "a folder": "os.mkdir(x + '/made')",
    "rights": "os.chmod(x + '/secret', 0o777)",
    "a device": "os.mknod(x + '/made')",
    "a database": "sqlite3.connect(x + '/made').execute('create table t (a)')",
}


@pytest.mark.parametrize("expression", FILES.values(), ids=FILES)
def test_no_file_is_read_written_or_removed(sandbox: Any, place: Path, expression: str) -> None:
    modules = "os" if sandbox.name == "monty" else "os, pathlib, tempfile"
    if "sqlite3" in expression:
        modules += ", sqlite3"
    before = sorted(place.iterdir())
    fails(sandbox, raising(expression, modules), str(place))
    assert sorted(place.iterdir()) == before
    assert (place / "secret").read_text() == CANARY


def test_the_environment_is_not_there(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", CANARY)
    learn(attack, "def attack(x):\n    import os\n    return str(dict(os.environ))", sandbox)
    try:
        seen = str(attack(None).data)
    except ExecutionError as error:
        seen = str(error)
    assert CANARY not in seen
    assert "HOME" not in seen


SOCKETS = {
    "tcp": "socket.create_connection(('127.0.0.1', x))",
    "udp": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', x))",
    "unix": "socket.socket(socket.AF_UNIX).connect('/run/x')",
    "abstract": "socket.socket(socket.AF_UNIX).connect(chr(0) + 'x')",
    "raw": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "netlink": "socket.socket(socket.AF_NETLINK)",
    "names": "socket.getaddrinfo('example.org', 80)",
    "serving": "socket.create_server(('127.0.0.1', 0))",
    "a page": "__import__('urllib.request').request.urlopen(f'http://127.0.0.1:{x}')",
}


@pytest.mark.parametrize("expression", SOCKETS.values(), ids=SOCKETS)
def test_no_socket_is_opened(sandbox: Any, listener: tuple[int, list[str]], expression: str) -> None:
    fails(sandbox, raising(expression, "socket"), listener[0])


PROCESSES = {
    "fork": "os.fork()",
    "a shell": "__import__('subprocess').run(['true'], check=True)",
    "exec": "os.execv('/bin/true', ['true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "threads": "__import__('threading').Thread(target=print).start()",
    "killing the parent": "os.kill(os.getppid(), 9)",
    "killing all": "os.kill(-1, 9)",
    "killing the user's process": "os.kill(x, 9)",
    "killing its group": "os.killpg(0, 9)",
    "by a descriptor": "os.pidfd_open(x)",
    "root": "os.setuid(0)",
    "priorities": "os.setpriority(os.PRIO_PROCESS, 0, -20)",
    "other limits": "__import__('resource').setrlimit(8, (-1, -1))",
    "another root": "os.chroot('/')",
    "namespaces": "os.unshare(0x10000000)",
    "subclasses": "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Popen'][0](['true'])",
    "builtins": "(lambda: 0).__globals__['__builtins__']['open'](b'/etc/passwd').read()",
    "frames": "__import__('sys')._getframe(1).f_globals['open']('/etc/passwd').read()",
}


@pytest.mark.parametrize("expression", PROCESSES.values(), ids=PROCESSES)
def test_no_process_is_started_signalled_or_given_rights(sandbox: Any, expression: str) -> None:
    fails(sandbox, raising(expression), os.getpid())


def test_a_fork_bomb_goes_off_nowhere(sandbox: Any) -> None:
    fails(sandbox, "def attack(x):\n    import os\n    while True:\n        os.fork()")


def test_a_bomb_of_threads_goes_off_nowhere(sandbox: Any) -> None:
    bomb = """
        def attack(x):
            import threading
            while True:
                threading.Thread(target=threading.Event().wait).start()
    """
    fails(sandbox, bomb)


NATIVE = {
    "system": "libc.system(b'true') != 0",
    "fork": "libc.fork() == -1",
    "kill": "libc.kill(x, 9) == -1",
    "socket": "libc.socket(2, 1, 0) == -1",
    "open": "libc.open(b'/etc/passwd', 0) == -1",
    "ptrace": "libc.ptrace(16, x, 0, 0) == -1",
    "owner of a descriptor": "libc.fcntl(0, 8, x) == -1",
    "prctl": "libc.prctl(38, 0, 0, 0, 0) == -1",
    "memfd": "libc.memfd_create(b'x', 0) == -1",
    "uring": "libc.syscall(425, 8, 0) == -1",
    "clone": "libc.syscall(56, 17, 0, 0, 0, 0) == -1",
    "reading another": "libc.process_vm_readv(x, 0, 0, 0, 0, 0) == -1",
}


@pytest.mark.parametrize("expression", NATIVE.values(), ids=NATIVE)
def test_the_c_library_gets_no_further(process: Any, expression: str) -> None:
    learn(
        attack,
        f"def attack(x):\n    import ctypes\n    libc = ctypes.CDLL(None)\n    return {expression}",
        process,
    )
    assert attack(os.getpid()).data is True


def test_a_shared_object_of_ones_own_is_not_loaded(process: Any, place: Path) -> None:
    fails(process, "def attack(x):\n    import ctypes\n    return ctypes.CDLL(x + '/secret')", str(place))


BUSY = {
    "a loop": "while True: pass",
    "a regular expression": "__import__('re').match('(a+)+$', 'a' * 60 + 'b')",
    "a power": "9 ** 9 ** 9",
    "sleep": "__import__('time').sleep(1000)",
    "ignoring everything": "[__import__('signal').signal(n, 1) for n in (2, 15)]; [0 for _ in iter(int, 1)]",
    "swallowing": """while True:
        try:
            [0 for _ in iter(int, 1)]
        except BaseException:
            pass""",
}


@pytest.mark.parametrize("statement", BUSY.values(), ids=BUSY)
def test_what_never_ends_is_stopped(process: Any, statement: str) -> None:
    error = fails(process, f"def attack(x):\n    {statement.strip()}")
    assert isinstance(error.__cause__, SandboxStopped)
    assert "took more than 1 seconds" in str(error)


def test_a_loop_is_stopped_by_each(sandbox: Any) -> None:
    assert "took more than 1 seconds" in str(fails(sandbox, "def attack(x):\n    while True: pass"))


MEMORY = {
    "bytes": "bytearray(1 << 34)",
    "a list": "[0] * (1 << 32)",
    "growing": "[x := [x, 'a' * 1000] for _ in iter(int, 1)]",
    "text": "'a' * (1 << 34)",
}


@pytest.mark.parametrize("expression", MEMORY.values(), ids=MEMORY)
def test_memory_has_an_end(sandbox: Any, expression: str) -> None:
    error = fails(sandbox, f"def attack(x):\n    return len({expression})")
    # monty knows no bytearray
    assert isinstance(error.__cause__, MemoryError | SandboxStopped | NameError)


STACK = {
    "calls": "return attack(x)",
    "a result": "y = []\n    for _ in range(100000): y = [y]\n    return y",
    "parsing": "return eval('(' * 100000)",
}


@pytest.mark.parametrize("body", STACK.values(), ids=STACK)
def test_recursion_has_an_end(sandbox: Any, body: str) -> None:
    fails(sandbox, f"def attack(x):\n    {body}")


DYING = {
    "leaving": "__import__('os')._exit(0)",
    "aborting": "__import__('os').abort()",
    "a null pointer": "__import__('ctypes').string_at(0)",
    "closing": "[__import__('os').close(n) for n in range(3, 40)]",
}


@pytest.mark.parametrize("expression", DYING.values(), ids=DYING)
def test_a_process_that_dies_is_an_error_and_the_next_call_has_another(process: Any, expression: str) -> None:
    source = f"def attack(x):\n    return 5 if x else {expression}"
    error = fails(process, source)
    assert isinstance(error.__cause__, SandboxStopped | OSError)
    learn(attack, source, process)
    assert attack(1).data == 5


OUTPUT = {
    "a result": "'x' * (1 << 24)",
    "a list of results": "['x' * 1000] * 10000",
}


@pytest.mark.parametrize("expression", OUTPUT.values(), ids=OUTPUT)
def test_a_result_too_big_is_not_let_out(process: Any, expression: str) -> None:
    assert "are let out of the sandbox" in str(fails(process, f"def attack(x):\n    return {expression}"))


def test_a_gigabyte_printed_is_cut(process: Any) -> None:
    learn(attack, "def attack(x):\n    for _ in range(1000): print('x' * 1000000)\n    return 1", process)
    assert attack(0).data == 1


WRITING = """
def attack(x):
    import os, json, struct
    def frame(message):
        text = json.dumps(message).encode()
        return struct.pack('!I', len(text)) + text
    def send(data):
        for n in range(3, 40):
            left = data
            try:
                while left:
                    left = left[os.write(n, left):]
            except OSError:
                pass
    {body}
    return 1
"""


def test_a_pipe_that_is_filled_is_closed(process: Any) -> None:
    fails(process, WRITING.replace("{body}", "send(b'x' * (1 << 28))"))


def test_a_message_of_ones_own_is_the_result_of_that_call_alone(process: Any) -> None:
    """Whoever answers twice is known by it at the next call, which is refused."""
    learn(attack, WRITING.replace("{body}", "send(frame({'done': 99, 'printed': ''}))"), process)
    assert attack(1).data == 99
    with pytest.raises(ExecutionError, match="answered more than once"):
        attack(1)
    learn(attack, "def attack(x): return x", process)
    assert attack(1).data == 1


FORGED = {
    "no message": "[1, 2]",
    "no words": "{'error': 3, 'printed': ''}",
    "a class": "{'done': {'$': 'object', 'v': ['os:system', {}]}, 'printed': ''}",
    "a handle": "{'done': {'$': 'stayed', 'v': 7}, 'printed': ''}",
}


@pytest.mark.parametrize("message", FORGED.values(), ids=FORGED)
def test_a_forged_message_is_refused(process: Any, message: str) -> None:
    fails(process, WRITING.replace("{body}", f"send(frame({message}))"))


ASKED = {
    "no tool": "{'ask': {'tool': [None, 'system', {'$': 'tuple', 'v': []}, {}]}}",
    "no question": "{'ask': 3}",
    "an attribute of an object": "{'ask': {'attribute': [0, '__class__']}}",
    "a handle of nothing": "{'ask': {'attribute': [99, 'name']}}",
}


@pytest.mark.parametrize("message", ASKED.values(), ids=ASKED)
def test_a_forged_question_is_answered_with_an_error(process: Any, message: str) -> None:
    body = f"""send(frame({message}))
    for n in range(3, 40):
        try:
            return os.read(n, 1000).decode()[4:]
        except OSError:
            pass"""
    learn(attack, WRITING.replace("{body}", body), process)
    answer = str(attack(Holder()).data)
    assert answer.startswith('{"error": ')
    assert CANARY not in answer


class Holder:
    """An object that stays outside."""

    def __init__(self) -> None:
        self.secret = CANARY


PATCHES = {
    "json": "import json; json.dumps = json.loads = None",
    "builtins": "import builtins; builtins.len = builtins.isinstance = lambda *a: 7",
    "our own": "import sys; sys.modules['crossing'].written = lambda *a: 'patched'",
    "the classes": "import servant; servant.Servant.call = lambda *a: 'patched'",
    "everything": "import gc; [o.clear() for o in gc.get_objects() if type(o) is dict and 'crossing' in o]",
}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_a_patched_process_serves_no_other_candidate(process: Any, patch: str) -> None:
    learn(attack, f"def attack(x):\n    {patch}\n    return x", process)
    try:
        attack(1)
    except ExecutionError:
        pass
    learn(attack, "def attack(x): return [x, len('abc'), isinstance(x, int)]", process)
    assert attack(1).data == [1, 3, True]


def test_attacks_side_by_side_hinder_nobody(process: Any) -> None:
    learn(bystander, COUNTING, process)
    learn(attack, "def attack(x):\n    while True: x = [x]", process)
    errors: list[BaseException] = []

    def strike() -> None:
        try:
            attack(1)
        except ExecutionError as error:
            errors.append(error)

    threads = [threading.Thread(target=strike) for _ in range(4)]
    for one in threads:
        one.start()
    assert [bystander(n).data[0] for n in range(50)] == [*range(50)]
    for one in threads:
        one.join()
    assert len(errors) == 4
