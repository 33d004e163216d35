"""`tracelib doctor --probe`: who serves models on this machine, asked only on request."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from commands import Command

from tracelib.cli.probe import LONGEST, PORTS, of_server, of_servers
from tracelib.testing import LoopbackServer


def port_of(server: LoopbackServer) -> int:
    return int(server.base_url.split(":")[2].removesuffix("/v1"))


@contextmanager
def answering(send: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[HTTPServer]:
    """A server that answers as it is told, which the loopback server of the package cannot be."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            send(self)

        def log_message(self, format: str, *args: object) -> None:
            """A test's output is its own."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def body(text: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"content-length": str(len(text)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(text)

    return send


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_server_is_found_with_its_models_and_how_to_ask_it() -> None:
    with LoopbackServer(models=["qwen3:4b", "llama"]) as server:
        found = of_server("ollama", "Ollama", port_of(server))
        assert server.requests == []
    where = f"127.0.0.1:{port_of(server)}"
    assert (found.id, found.level) == ("ollama", "ok")
    assert found.text == f"a server at {where}, the port of Ollama, has qwen3:4b, llama"
    assert found.advice == f"export OPENAI_BASE_URL=http://{where}/v1 to ask it."


def test_many_models_are_counted() -> None:
    with LoopbackServer(models=[f"m{n}" for n in range(11)]) as server:
        assert of_server("x", "X", port_of(server)).text.endswith("m6, m7 and 3 more")
    with LoopbackServer(models=[]) as server:
        assert of_server("x", "X", port_of(server)).text.endswith("has no models")


def test_nobody_there_is_no_problem() -> None:
    port = free_port()
    found = of_server("vllm", "vLLM", port)
    assert (found.level, found.text) == ("ok", f"nobody answers at 127.0.0.1:{port}, the port of vLLM")


@pytest.mark.parametrize(
    "answer", [b"<html>Hello</html>", b"[]", b'{"data": 3}', b'{"models": []}', b"\xff\xfe"]
)
def test_another_program_at_the_port_is_taken_for_none(answer: bytes) -> None:
    with answering(body(answer)) as server:
        found = of_server("vllm", "vLLM", server.server_port)
    assert found.text.endswith("lists no models")
    assert found.advice == ""


def test_no_redirect_and_no_proxy_leads_off_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackServer(models=["elsewhere"]) as other:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, other.base_url.removesuffix("/v1"))
        with answering(body(b"", 302, location=f"{other.base_url}/models")) as server:
            found = of_server("vllm", "vLLM", server.server_port)
        assert found.text.endswith("lists no models")
        assert other.stats.connections == 0


def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.perf_counter()
        found = of_server("vllm", "vLLM", silent.getsockname()[1])
        assert time.perf_counter() - started < LONGEST
    assert "no answer (TimeoutError)" in found.text


def test_a_server_that_never_ends_is_left() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(200):
                handler.wfile.write(b" ")
                time.sleep(0.05)
        except ConnectionError:
            return

    with answering(drip) as server:
        started = time.perf_counter()
        found = of_server("vllm", "vLLM", server.server_port)
        assert time.perf_counter() - started < LONGEST + 2
    assert "no answer (TimeoutError)" in found.text


def test_all_are_asked_and_told_in_order() -> None:
    with LoopbackServer(models=["a"]) as one, LoopbackServer(models=["b"]) as two:
        ports = {"one": ("One", port_of(one)), "two": ("Two", port_of(two))}
        assert [(found.id, found.text[-1]) for found in of_servers(ports)] == [("one", "a"), ("two", "b")]


def test_doctor_probes_only_when_asked_to(
    tracelib: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without = {one["id"] for one in json.loads(tracelib("doctor", "--json").out)}
    done = tracelib("doctor", "--probe", "--json")
    told = {one["id"]: one for one in json.loads(done.out)}
    assert done.code == 0
    assert told.keys() - without == PORTS.keys()
    assert all(str(port) in told[id]["text"] for id, (_, port) in PORTS.items())
    assert list(tmp_path.iterdir()) == []
