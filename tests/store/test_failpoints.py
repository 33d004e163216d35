"""A failpoint kills or fails the process at the count-th time, and a rule that cannot be read says so."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from tracelib.store.journal.failpoints import VARIABLE, rules


def reached(text: str, name: str, times: int) -> list[int]:
    """The errno of each reaching; 0 where nothing happened."""
    rule = rules(text)[name]
    found = []
    for _ in range(times):
        try:
            rule.apply(name)
        except OSError as error:
            found.append(error.errno or -1)
        else:
            found.append(0)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:2:ENOSPC", [0, errno.ENOSPC, 0, 0]),
        ("a:2-3:EROFS", [0, errno.EROFS, errno.EROFS, 0]),
        ("a:3-:EIO", [0, 0, errno.EIO, errno.EIO]),
        ("b:1:EIO, a:1:EDQUOT", [errno.EDQUOT, 0, 0, 0]),
        ("a:9", [0, 0, 0, 0]),
    ],
)
def test_a_rule_fails_at_the_times_it_names(text: str, expected: list[int]) -> None:
    assert reached(text, "a", 4) == expected


@pytest.mark.parametrize("text", ["a", "a:", "a:x", "a:1:ENONSENSE", "a:1-x", "a:1:EIO:more"])
def test_a_rule_that_cannot_be_read_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        rules(text)


PROGRAM = """
from tracelib.store.journal.failpoints import reach
for number in range(9):
    print(number, flush=True)
    reach("here")
"""


@pytest.mark.parametrize(
    ("text", "code", "printed"), [("here:3", -signal.SIGKILL, 3), ("there:1", 0, 9), ("", 0, 9)]
)
def test_a_rule_without_an_error_kills_the_process(text: str, code: int, printed: int) -> None:
    environment = {**os.environ, VARIABLE: text}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert (done.returncode, len(done.stdout.split())) == (code, printed)
