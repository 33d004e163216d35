"""Source files as people wrote them: found by module, read and written back byte for byte."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
import tempfile
import tokenize
from dataclasses import dataclass, replace
from pathlib import Path

from tracelib.errors import StateError

INSTALLED = ("site-packages", "dist-packages")
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


@dataclass(frozen=True)
class SourceFile:
    """A file of Python: its text with the line ends it has, and the encoding that its bytes are in."""

    path: Path
    raw: bytes
    text: str
    encoding: str

    @classmethod
    def read(cls, path: Path) -> SourceFile:
        """The file; StateError where it cannot be read or is no text in the encoding that it declares."""
        try:
            raw = path.read_bytes()
            encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
            return cls(path, raw, raw.decode(encoding), encoding)
        except OSError as error:
            raise StateError(f"{path} cannot be read: {error.strerror or error}") from error
        except (SyntaxError, UnicodeDecodeError) as error:
            raise StateError(f"{path} is not in the encoding that it declares: {error}") from error

    @property
    def line_end(self) -> str:
        """What ends the first line."""
        found = re.search(r"\r\n|\r|\n", self.text)
        return found[0] if found else "\n"

    @property
    def lines(self) -> list[str]:
        """The lines as Python counts them, each with its end."""
        return [line for line in LINE.findall(self.text) if line]

    def offset(self, line: int, column: int) -> int:
        """Where in the text a position of the syntax tree is; its columns count bytes of UTF-8."""
        before, here = self.lines[: line - 1], self.lines[line - 1 : line]
        return sum(map(len, before)) + len("".join(here).encode()[:column].decode())

    def holds(self, text: str) -> bool:
        """Whether the file's encoding has all these characters."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def edited(self, start: int, end: int, text: str) -> SourceFile:
        """The file with other text, whose lines end in LF, between two offsets."""
        inserted = text.replace("\n", self.line_end)
        return replace(self, text=self.text[:start] + inserted + self.text[end:])

    def write(self) -> None:
        """Put the text into the file, whole or not at all; its mode stays, and a link stays a link.

        Raises StateError where the file is not what was read, or cannot be written.
        """
        target = self.path.resolve()
        try:
            if target.read_bytes() != self.raw:
                raise StateError(f"{self.path} was changed while we looked at it: try again")
            self._replace(target)
        except OSError as error:
            raise StateError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def _replace(self, target: Path) -> None:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        beside = Path(name)
        try:
            with open(handle, "wb") as file:
                file.write(self.text.encode(self.encoding))
                file.flush()
                os.fsync(file.fileno())
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)


def sources_of(where: str) -> tuple[SourceFile, str]:
    """The file that is meant by a path, a module or a `module:qualname`, and the qualname, if any.

    A module is looked for, and not imported, in the working folder and where Python looks. Raises
    StateError where there is no such file, or it is not the user's.
    """
    module, _, qualname = where.partition(":")
    if module in ("__main__", "__mp_main__"):
        raise StateError(
            f"{qualname or module} was defined in a notebook or at a prompt: put it into a file to keep it"
        )
    if Path(where).is_file():
        module, qualname = where, ""
    path = Path(module) if Path(module).is_file() else _module_file(module)
    if path is None:
        raise StateError(f"there is no source file {where}: name the file, or start where it can be imported")
    if path.suffix == ".ipynb":
        raise StateError(f"{path} is a notebook, not a source file: put the program into a .py file")
    if any(part in INSTALLED for part in path.resolve().parts):
        raise StateError(f"{path} belongs to an installed package: only source of your own is rewritten")
    return SourceFile.read(path), qualname


def _module_file(module: str) -> Path | None:
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for folder in dict.fromkeys(["", *sys.path]):
        base = Path(folder).joinpath(*parts)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None
