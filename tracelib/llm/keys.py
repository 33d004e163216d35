"""API keys that `tracelib keys` keeps in the user's own folder, one for each host; knows no endpoint."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tracelib.errors import ModelError

OPENAI_HOST = "api.openai.com"
FILE = "keys.json"
FOLDERS = {"win32": ("AppData", "Roaming"), "darwin": ("Library", "Application Support")}
"""Where a system keeps the settings of a user, in his home."""
NO_KEY = "none"
"""What servers that want no key are sent: the SDK does not go without one."""
OTHERS = 0o077
"""The rights of everybody but the owner."""
SHOWN = 4
"""Characters at the end of a long key that are shown, by which its owner knows it again."""
LONG = 20


def keys_file() -> Path:
    """The file that holds the keys, on this system. Raises ModelError where the user has no home."""
    told = os.environ.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME")
    if told and Path(told).is_absolute():  # another counts for nothing, by the XDG specification
        return Path(told, "tracelib", FILE)
    try:
        home = Path.home()
    except RuntimeError as error:
        raise ModelError(f"there is no folder to keep keys in: {error}") from error
    return home.joinpath(*FOLDERS.get(sys.platform, (".config",)), "tracelib", FILE)


def as_host(name: str) -> str:
    """The host that a name means: `openai`, a host with or without port, or an address.

    >>> as_host("openai"), as_host("https://openrouter.ai/api/v1"), as_host("LocalHost:8000")
    ('api.openai.com', 'openrouter.ai', 'localhost:8000')
    """
    if name.strip().lower() == "openai":
        return OPENAI_HOST
    try:
        host = urlsplit(name.strip() if "//" in name else f"//{name.strip()}").netloc
    except ValueError:  # an IPv6 address that is not closed
        host = ""
    host = host.rpartition("@")[2].lower()
    if not host or any(mark.isspace() for mark in host):
        raise ModelError(f"{name!r} is no host: say openai, openrouter.ai or localhost:8000")
    return host


def kept_key(host: str) -> str | None:
    """The key that is kept for a host. Raises ModelError when others can read the file, or it is damaged.

    A user without a home, or with one that is closed to him, keeps no key.
    """
    try:
        keys_file().stat()
    except (ModelError, FileNotFoundError, NotADirectoryError, PermissionError):
        return None  # the rights are those of the folders above: a file's own are not asked for its status
    return kept_keys().get(host.lower())


def kept_keys() -> dict[str, str]:
    """All keys by their hosts; none where there is no file."""
    path = keys_file()
    try:
        with path.open(encoding="utf-8") as file:
            _check(path, file)
            told = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"the keys in {path} cannot be read: {error}") from error
    if not isinstance(told, Mapping) or not all(isinstance(key, str) for key in told.values()):
        raise ModelError(f"{path} is no file of keys: remove it, and use `tracelib keys set`")
    return dict(told)


def keep_key(host: str, key: str) -> None:
    """Keep a key for a host, in place of one kept before. Raises ModelError for what can be no key."""
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ModelError("that is no key: it has to be one word of plain letters, digits and marks")
    _write({**kept_keys(), host.lower(): key})


def forget_key(host: str) -> bool:
    """Remove the key of a host; whether there was one."""
    kept = kept_keys()
    found = kept.pop(host.lower(), None)
    if found is not None:
        _write(kept)
    return found is not None


def masked(key: str) -> str:
    """What may be shown of a key.

    >>> masked("sk-proj-abcdefghijklmnopqrstuv"), masked("secret")
    ('...stuv', '...')
    """
    return f"...{key[-SHOWN:]}" if len(key) >= LONG else "..."


def _check(path: Path, file: IO[str]) -> None:
    """Raises ModelError when anybody but the user could have read the keys, or written them."""
    if os.name == "nt":  # where rights are no bits, and the user's folder is his own
        return
    found = os.fstat(file.fileno())
    if found.st_uid != os.geteuid():
        raise ModelError(f"the keys in {path} belong to another user: remove the file, and set your own")
    if found.st_mode & OTHERS:
        mode = found.st_mode & 0o777
        raise ModelError(
            f"others can read the keys in {path} (mode {mode:o}): run `chmod 600 {path}`, and replace the "
            "keys where somebody may have read them"
        )


def _write(keys: Mapping[str, str]) -> None:
    """Write all of them, or none: a file of the user's alone, put in the place of the old one."""
    path = keys_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        handle, trial = tempfile.mkstemp(prefix=".keys-", dir=path.parent)  # which gives it mode 600
        try:
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(dict(sorted(keys.items())), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(trial, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(trial)
            raise
    except OSError as error:
        raise ModelError(f"the keys cannot be written to {path}: {error}") from error
