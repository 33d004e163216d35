"""Changed source files as a patch that `git apply` takes, whatever their line ends and encoding."""

from __future__ import annotations

import difflib
from pathlib import Path

from tracelib.programs.sources import SourceFile
from tracelib.programs.writeback import Rewriting

NO_END = "\n\\ No newline at end of file\n"


def patch_of(made: Rewriting) -> bytes:
    """A unified diff of all changed files, with paths from the top of the repository."""
    return b"".join(_file_patch(made.before[file.path], file) for file in made.changed)


def _file_patch(old: SourceFile, new: SourceFile) -> bytes:
    path = path_in_repository(new.path)
    lines = difflib.unified_diff(_lines(old.text), _lines(new.text), f"a/{path}", f"b/{path}", lineterm="\n")
    body = "".join(line if line.endswith("\n") else line + NO_END for line in lines)
    return f"diff --git a/{path} b/{path}\n".encode() + body.encode(new.encoding)


def path_in_repository(path: Path) -> str:
    """The path from the folder with `.git`, else from the working folder, else the name alone."""
    whole = path.resolve()
    tops = [*(folder for folder in whole.parents if (folder / ".git").exists()), Path.cwd().resolve()]
    top = next((folder for folder in tops if whole.is_relative_to(folder)), whole.parent)
    return whole.relative_to(top).as_posix()


def _lines(text: str) -> list[str]:
    """Lines as git counts them: each ends with a line feed."""
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
