"""Small programs that tests run in processes of their own, as users do."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_program(
    folder: Path, source: str, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Write a program to `folder/program.py` and run it there; warnings are errors."""
    file = folder / "program.py"
    file.write_text(textwrap.dedent(source))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI", "TRACELIB"))}
    return subprocess.run(
        [sys.executable, "-W", "error", str(file), *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=check,
    )
