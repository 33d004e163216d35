from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracelib.llm.openai import OpenAIModel, RetryPolicy
from tracelib.testing import LoopbackServer

AT_ONCE = RetryPolicy(attempts=4, seconds=30, base=0)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def ask_at(server: LoopbackServer) -> Iterator[Callable[..., OpenAIModel]]:
    """Makes models of the server, retrying without waits, closed at the end."""
    made = []

    def make(**settings: Any) -> OpenAIModel:
        made.append(OpenAIModel("small", base_url=server.base_url, **{"retry": AT_ONCE, **settings}))
        return made[-1]

    yield make
    for model in made:
        model.close()


@pytest.fixture
def model(ask_at: Callable[..., OpenAIModel]) -> OpenAIModel:
    return ask_at()


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that names no model, no key and no server, and a folder of settings without any."""
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "config"))
    for name in ("TRACELIB_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch
