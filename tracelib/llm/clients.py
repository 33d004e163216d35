"""Where an OpenAI-compatible endpoint is, and the SDK's clients for it, made on first use."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import openai

from tracelib.errors import NoModelError
from tracelib.llm.keys import NO_KEY, kept_key

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Endpoint:
    """An address, a key and the patience with one attempt: `timeout` in seconds, None for the SDK's 600."""

    base_url: str
    api_key: str
    timeout: float | None = None

    def __repr__(self) -> str:
        return f"Endpoint(at {self.host})"

    @classmethod
    def found(cls, base_url: str | None, api_key: str | None, timeout: float | None) -> Endpoint:
        """The arguments, and what they leave open from OPENAI_BASE_URL, OPENAI_API_KEY and the kept keys.

        A server named by a base_url may want no key; OpenAI itself does. Raises NoModelError when
        neither is known, or the address is none, and ModelError for kept keys that others can read.
        """
        url = base_url or os.environ.get("OPENAI_BASE_URL", "").strip()
        _check_address(url or OPENAI_URL)
        key = api_key or os.environ.get("OPENAI_API_KEY", "").strip() or kept_key(host_of(url or OPENAI_URL))
        if not url and not key:
            raise NoModelError(
                "there is no key and no server to ask: set OPENAI_API_KEY for OpenAI, or OPENAI_BASE_URL "
                "for any OpenAI-compatible server (such as http://localhost:11434/v1), "
                "pass api_key= or base_url=, or keep a key by `tracelib keys set`"
            )
        return cls(url or OPENAI_URL, key or NO_KEY, timeout)

    @property
    def host(self) -> str:
        """Host and port, without any credentials."""
        return host_of(self.base_url)

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI itself (any region), not a server that speaks its language."""
        host = str(urlsplit(self.base_url).hostname)
        return host == "openai.com" or host.endswith(".openai.com")

    def options(self) -> dict[str, Any]:
        """What the SDK's clients are made of; retries are ours."""
        patience = {} if self.timeout is None else {"timeout": self.timeout}
        return {"base_url": self.base_url, "api_key": self.api_key, "max_retries": 0, **patience}


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        found = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, an IPv6 address that is not closed
        found = False
    if not found:
        raise NoModelError(f"the base_url {url!r} is no http address: write it as http://localhost:11434/v1")


def host_of(url: str) -> str:
    """Host and port of an address; a name and password in it are left out."""
    return urlsplit(url).netloc.rpartition("@")[2]


class Clients:
    """The SDK's clients of one endpoint: one for all threads, and one for each event loop.

    An async client's connections belong to the loop they were opened on, so each loop has its own, and it
    is closed when `asyncio.run` (or whoever runs the loop) shuts the loop's async generators down.
    A forked process must not speak on its parent's connections: `process` says whose these are.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._sync: openai.OpenAI | None = None
        self._lent: WeakKeyDictionary[asyncio.AbstractEventLoop, Loan] = WeakKeyDictionary()

    def sync(self) -> openai.OpenAI:
        """The client for calls that block."""
        with self._lock:
            if self._sync is None:
                self._sync = openai.OpenAI(**self.endpoint.options())
            return self._sync

    async def on_this_loop(self) -> openai.AsyncOpenAI:
        """The client for calls that are awaited on the running loop."""
        loop = asyncio.get_running_loop()
        loan = self._lent.get(loop)
        if loan is None:
            loan = Loan(self.endpoint)
            with self._lock:
                self._lent[loop] = loan
            await loan.begin()
        return loan.client

    def close(self) -> None:
        """Close the blocking client; a later call makes a new one."""
        with self._lock:
            client, self._sync = self._sync, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the running loop's client; a later call makes a new one."""
        with self._lock:
            loan = self._lent.pop(asyncio.get_running_loop(), None)
        if loan is not None:
            await loan.end()


class Loan:
    """An async client that is closed with the loop it was begun on."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.client = openai.AsyncOpenAI(**endpoint.options())
        self._until_shutdown = self._open()

    async def begin(self) -> None:
        """Make the running loop know of it."""
        await anext(self._until_shutdown)

    async def end(self) -> None:
        """Close the client now."""
        await self._until_shutdown.aclose()

    async def _open(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.client.close()
