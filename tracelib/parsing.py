"""Reading Python source beside other threads that do."""

from __future__ import annotations

import ast
import threading

ATTEMPTS = 50
PAUSE = threading.Event()
"""Never set: waiting for it lets the other thread finish."""


def parsed(text: str) -> ast.Module:
    """The syntax tree of a text; raises what `ast.parse` does.

    Before 3.11.8 and 3.12.2 Python counts how deep a tree is for all threads together, and tells one of two
    that read at once that its count is wrong (SystemError). Its text is well: it is read again.
    """
    for attempt in range(ATTEMPTS):
        try:
            return ast.parse(text)
        except SystemError:
            PAUSE.wait(0.001 * attempt)
    return ast.parse(text)
