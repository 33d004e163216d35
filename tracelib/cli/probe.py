"""What `tracelib doctor --probe` looks for: servers of models on this machine, at the ports they use."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tracelib.cli.diagnosis import Finding

PORTS = {"ollama": ("Ollama", 11434), "lmstudio": ("LM Studio", 1234), "vllm": ("vLLM", 8000)}
HERE = "127.0.0.1"
PATIENCE = 0.5
"""Seconds to connect, and to wait for each part of an answer."""
LONGEST = 2.0
"""Seconds for a whole answer."""
LARGEST = 1_000_000
"""Bytes of an answer that are read."""
SHOWN = 8
"""How many models are named."""


def of_servers(ports: Mapping[str, tuple[str, int]] = PORTS) -> Iterator[Finding]:
    """For each server, whether it answers on this machine, and which models it has; asked at once."""
    with ThreadPoolExecutor(len(ports)) as pool:
        yield from pool.map(lambda id: of_server(id, *ports[id]), ports)


def of_server(id: str, name: str, port: int) -> Finding:
    """Whether a server answers at a port with a list of models; nothing but GET /v1/models is sent."""
    try:
        models = listed(port)
    except (OSError, http.client.HTTPException) as error:
        refused = isinstance(error, ConnectionRefusedError)
        words = "nobody answers" if refused else f"no answer ({type(error).__name__})"
        return Finding(id, "ok", f"{words} at {HERE}:{port}, the port of {name}")
    if models is None:
        return Finding(id, "ok", f"what answers at {HERE}:{port}, the port of {name}, lists no models")
    advice = f"export OPENAI_BASE_URL=http://{HERE}:{port}/v1 to ask it."
    return Finding(id, "ok", f"a server at {HERE}:{port}, the port of {name}, has {named(models)}", advice)


def listed(port: int) -> list[str] | None:
    """The names of the models there; None where what answers is no such list. Raises OSError."""
    # Not urllib, which would follow a redirect, or a proxy of the environment, off this machine.
    connection = http.client.HTTPConnection(HERE, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/v1/models", headers={"accept": "application/json"})
        response = connection.getresponse()
        told = body_of(response) if response.status == 200 else b""
    finally:
        connection.close()
    return names_in(told)


def body_of(response: http.client.HTTPResponse) -> bytes:
    """The answer's body, as far as it is neither too long nor too slow."""
    read, until = bytearray(), time.monotonic() + LONGEST
    while (part := response.read1(65536)) and len(read) <= LARGEST:
        read += part
        if time.monotonic() > until:
            raise TimeoutError(f"it had not ended after {LONGEST:g} seconds")
    return bytes(read)


def names_in(told: bytes) -> list[str] | None:
    try:
        answer: Any = json.loads(told)
    except ValueError:
        return None
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(data, list):
        return None
    return [str(one["id"]) for one in data if isinstance(one, Mapping) and "id" in one]


def named(models: list[str]) -> str:
    """The models, the first few by name."""
    if not models:
        return "no models"
    rest = len(models) - SHOWN
    return ", ".join(models[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
