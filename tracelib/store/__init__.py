"""What is kept: versions, calls, values and scores, in a database fed from a journal that kill -9 leaves."""

from __future__ import annotations

import sys

from tracelib.errors import StoreError

if sys.platform == "win32":
    raise StoreError(
        "a store locks files and maps memory as POSIX systems do, and is not for Windows yet: run the "
        "program in WSL, on Linux or on macOS. Recording without a store works everywhere."
    )
