"""Syntax trees made by many threads at once."""

from __future__ import annotations

import ast
import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracelib.parsing import parsed


def _let_others_run(*_: object) -> None:
    time.sleep(0)


@pytest.fixture
def _switching() -> Iterator[None]:
    """The interpreter lock is let go of in the middle of making a tree, as finalizers do."""
    before = gc.get_threshold()
    gc.callbacks.append(_let_others_run)
    gc.set_threshold(100)
    yield
    gc.callbacks.remove(_let_others_run)
    gc.set_threshold(*before)


@pytest.mark.usefixtures("_switching")
def test_threads_that_read_source_at_once_all_get_its_tree() -> None:
    text = Path(ast.__file__).read_text(encoding="utf-8")
    whole = ast.dump(ast.parse(text))
    found: list[str] = []

    def read() -> None:
        for _ in range(5):
            found.append(ast.dump(parsed(text)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [whole] * 20
