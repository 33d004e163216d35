"""A real HTTP server on 127.0.0.1 that speaks as OpenAI does and does what it was told, faults included."""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tracelib.testing.answers import Answer, Request, Says
from tracelib.testing.shapes import CHAT, EMBEDDINGS, RESPONSES

Scripted = str | Answer | Callable[[Mapping[str, Any]], str]
"""An answer, the text of one, or a function of the request's body that gives the text."""


@dataclass
class Stats:
    """What the server saw: connections, answers by status, the most at once, and clients that left early."""

    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    left_early: int = 0
    statuses: Counter[int] = field(default_factory=Counter)


class LoopbackServer:
    """An OpenAI-compatible server for tests, at `base_url` while the `with` block lasts.

    Chat completions, responses and embeddings are answered by `replies` in order, then by `otherwise`;
    streams, tools, several choices and structured output are understood. `/v1/models` lists `models`.
    `requests` keeps every other request, `stats` counts. `delay` in seconds comes before every answer.

        with LoopbackServer(["Hello", Fails(503), "Hello again"]) as server:
            model = OpenAIModel("any-name", base_url=server.base_url)
    """

    def __init__(
        self,
        replies: Iterable[Scripted] = (),
        otherwise: Scripted = "ok",
        *,
        models: Iterable[str] = ("loopback",),
        delay: float = 0.0,
    ) -> None:
        self.replies = [as_answer(reply) for reply in replies]
        self.otherwise = Says() if otherwise == "ok" else as_answer(otherwise)
        self.models = tuple(models)
        self.delay = delay
        self.requests: list[Request] = []
        self.stats = Stats()
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._http = _Http(self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.01,), name="loopback", daemon=True
        )

    @property
    def base_url(self) -> str:
        """What a client is given as its base_url."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> LoopbackServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everyone and end all threads."""
        self.closing.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.hang_up()
        self._http.server_close()

    def then(self, *replies: Scripted) -> None:
        """More answers, after those not yet given."""
        with self._lock:
            self.replies += [as_answer(reply) for reply in replies]

    def answer_to(
        self, method: str, path: str, headers: Mapping[str, str], body: Any
    ) -> tuple[Request, Answer]:
        """The request as it is kept, and the answer that is due to it."""
        with self._lock:
            told = body if isinstance(body, Mapping) else {}
            request = Request(len(self.requests) + 1, method, path, headers, told)
            self.requests.append(request)
            return request, self.replies.pop(0) if self.replies else self.otherwise

    def count(self, *, connections: int = 0, at_once: int = 0, left_early: int = 0, status: int = 0) -> None:
        """Add to the statistics."""
        with self._lock:
            self.stats.connections += connections
            self.stats.left_early += left_early
            self.stats.at_once += at_once
            self.stats.most_at_once = max(self.stats.most_at_once, self.stats.at_once)
            if status:
                self.stats.statuses[status] += 1


def as_answer(reply: Scripted) -> Answer:
    """The answer that a text or a function stands for."""
    if isinstance(reply, str) or callable(reply):
        return Says(reply)
    return reply


class _Http(ThreadingHTTPServer):
    daemon_threads = True  # a program that never closes the server ends all the same
    request_queue_size = 1024

    def __init__(self, server: LoopbackServer) -> None:
        self.loopback = server
        self._open: set[socket.socket] = set()
        self._serving: list[threading.Thread] = []
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        # HTTPServer would look its own name up, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        told = (request, client_address)
        thread = threading.Thread(target=self.process_request_thread, args=told, daemon=True)
        self._serving = [*(one for one in self._serving if one.is_alive()), thread]
        thread.start()

    def server_close(self) -> None:
        """Closing waits for all who are still being served."""
        super().server_close()
        for thread in self._serving:
            thread.join()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.loopback.count(connections=1)
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        with self._lock:
            for connection in self._open:
                _shut(connection)


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, and is the Wire that answers write to."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one packet, so nothing waits for an acknowledgement
    disable_nagle_algorithm = True
    server: _Http
    _status = 200

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):
            # The client hung up, or the answer did: ValueError is a write to the file it closed.
            self.server.loopback.count(left_early=1)

    def finish(self) -> None:
        try:
            super().finish()
        except ConnectionError:
            self.server.loopback.count(left_early=1)

    def do_GET(self) -> None:
        models = [
            {"id": name, "object": "model", "created": 0, "owned_by": "loopback"} for name in self._models()
        ]
        if self.path == "/v1/models":
            self.send(200, json.dumps({"object": "list", "data": models}))
        else:
            self._not_found()

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path not in (CHAT, RESPONSES, EMBEDDINGS):
            self._not_found()
            return
        server = self.server.loopback
        request, answer = server.answer_to("POST", self.path, dict(self.headers), json.loads(text or b"{}"))
        server.count(at_once=1)
        try:
            self._nth = request.nth
            self.wait(server.delay)
            answer.send(self, request)
            self.wfile.flush()
        finally:
            server.count(at_once=-1)

    _nth = 0

    def _models(self) -> tuple[str, ...]:
        return self.server.loopback.models

    def _not_found(self) -> None:
        error = {"message": f"nothing is at {self.path}", "type": "invalid_request_error", "code": None}
        self.send(404, json.dumps({"error": error}))

    def wait(self, seconds: float) -> None:
        if seconds > 0 and self.server.loopback.closing.wait(seconds):
            raise ConnectionAbortedError("the server is closing")

    def send(self, status: int, body: str, headers: Mapping[str, str] | None = None) -> None:
        data = body.encode()
        self._head(
            status, {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        )
        self.wfile.write(data)

    def begin_events(self) -> None:
        self._head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        self.wfile.flush()

    def event(self, data: str) -> None:
        self._chunk(f"data: {data}\n\n".encode())

    def end_events(self) -> None:
        self._chunk(b"")

    def hang_up(self, reset: bool = False) -> None:
        self.close_connection = True
        self.wfile.flush()
        if reset:
            # Closing a socket that lingers for no time sends a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            _shut(self.connection)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.server.loopback.count(status=status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("x-request-id", f"req-{self._nth}")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """A test's output is its own."""


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()  # the other side was faster
