"""Images, sounds and files as the parts of a message; knows no model.

A part is a plain dict in the shape of chat completions, so that it can be kept, compared and sent as it is.
"""

from __future__ import annotations

import io
import mimetypes
import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracelib.errors import MessageError
from tracelib.llm.recorded import is_recorded, plain_data

LARGEST = 50_000_000
"""Bytes of one image, sound or file: what OpenAI takes in one request; others take less."""

LINKS = ("http://", "https://", "data:")
"""How the address of an image begins."""

SIGNS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"%PDF-", "application/pdf"),
)
"""What stands where in the bytes of a type."""

SIGNED = frozenset(kind for _, _, kind in SIGNS if not kind.startswith("audio/"))
"""Types whose bytes always tell them; a sound may begin with any frame."""

FORMATS = {"audio/mpeg": "mp3", "audio/x-wav": "wav", "audio/vnd.wave": "wav", "audio/x-flac": "flac"}
"""Sounds that the API calls otherwise than by the second half of their type."""


class Part(dict[str, Any]):
    """A part made of a recorded value, which it keeps as `source` so that its origin is known."""

    source: Any


def image(source: Any, *, detail: str | None = None, type: str | None = None) -> dict[str, Any]:
    """An image for a message: of a path, bytes, a PIL image, or an http(s) or data URL.

    `detail` is "low", "high" or "auto" where the model knows it; `type` is a media type such as
    "image/png", for bytes that do not tell their own. Raises MessageError for what cannot be sent: no such
    file, an unknown type, or more than LARGEST bytes.

    >>> image("https://example.org/cat.png", detail="low")["image_url"]
    {'url': 'https://example.org/cat.png', 'detail': 'low'}
    """
    found = plain_data(source)
    if isinstance(found, str) and found.startswith(LINKS):
        url = str.__str__(found)
    else:
        content = _Content.of(found, "image")
        url = content.data_url(type or content.found_type("image"))
    told = {"url": url} if detail is None else {"url": url, "detail": detail}
    return _part(source, {"type": "image_url", "image_url": told})


def audio(source: Any, *, format: str | None = None) -> dict[str, Any]:
    """A sound for a message: of a path or bytes; `format` is "wav" or "mp3" where it cannot be told.

    Raises MessageError for what cannot be sent: no such file, an unknown format, an address, or more than
    LARGEST bytes.
    """
    content = _Content.of(plain_data(source), "audio")
    if format is None:
        kind = content.found_type("audio")
        format = FORMATS.get(kind, kind.partition("/")[2])
    return _part(source, {"type": "input_audio", "input_audio": {"data": content.base64, "format": format}})


def file(
    source: Any = None, *, name: str | None = None, type: str | None = None, id: str | None = None
) -> dict[str, Any]:
    """A file for a message: of a path or bytes, under the `name` that the model sees; or an upload's `id`.

    Raises MessageError for what cannot be sent: no such file, bytes of unknown type, an address, or more
    than LARGEST bytes.
    """
    if id is not None:
        return {"type": "file", "file": {"file_id": id}}
    content = _Content.of(plain_data(source), "file")
    content.name = name or content.name
    kind = type or content.found_type("")
    shown = content.name or f"file{mimetypes.guess_extension(kind) or ''}"
    return _part(source, {"type": "file", "file": {"filename": shown, "file_data": content.data_url(kind)}})


def media_part(value: Any) -> dict[str, Any] | None:
    """The part that a path, bytes or PIL image is, by what it holds; None for any other value."""
    found = plain_data(value)
    if _is_picture(found):
        return image(value)
    if not isinstance(found, os.PathLike | bytes | bytearray | memoryview):
        return None
    kind = _Content.of(found, "file").found_type("").partition("/")[0]
    makers: dict[str, Callable[[Any], dict[str, Any]]] = {"image": image, "audio": audio}
    return makers.get(kind, file)(value)


class _Content:
    """Bytes, and the name of the file that they came from, if any."""

    def __init__(self, data: bytes, name: str | None, what: str) -> None:
        self.data = data
        self.name = name
        self._what = what
        if not data:
            raise MessageError(f"{self} is empty: there is nothing to send")
        _check_size(len(data), str(self))

    def __str__(self) -> str:
        return f"the {self._what} {self.name!r}" if self.name else f"the {self._what} given as bytes"

    @classmethod
    def of(cls, source: Any, what: str) -> _Content:
        """What a path, bytes or picture holds, read now: a later change of the file is no part of it."""
        if isinstance(source, bytes | bytearray | memoryview):
            return cls(bytes(source), None, what)
        if isinstance(source, str | os.PathLike):
            return cls._at(os.fspath(source), what)
        if what == "image" and _is_picture(source):
            return cls(_saved(source), None, what)
        kind = source.__class__.__name__
        raise MessageError(f"{kind} is no {what}: give a path or bytes{_or_more(what)}")

    @classmethod
    def _at(cls, path: Any, what: str) -> _Content:
        if "://" in str(path) or str(path).startswith("data:"):
            raise MessageError(
                f"{_short(path)} is an address, and a chat takes {what} from none of that kind: "
                "download it, and give its path or bytes"
            )
        try:
            where = Path(os.fsdecode(path))
            _check_size(where.stat().st_size, f"the {what} {where.name!r}")
            return cls(where.read_bytes(), where.name, what)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            reason = getattr(error, "strerror", None) or error
            raise MessageError(f"the {what} {_short(path)} cannot be read: {reason}") from error

    def found_type(self, family: str) -> str:
        """The media type of a `family` such as "image", as the bytes tell it, else the name."""
        signed = next((kind for at, sign, kind in SIGNS if self.data.startswith(sign, at)), None)
        named = mimetypes.guess_type(self.name or "")[0]
        if signed is None and named in SIGNED:
            raise MessageError(f"{self} is named as {named}, and is none inside: it would be refused")
        kind = signed or named or ("" if family or not self.name else "application/octet-stream")
        if not kind or (family and not kind.startswith(f"{family}/")):
            found = f"it is {kind}" if kind else "its type is not known"
            raise MessageError(f"{self} cannot be sent as {family or 'a file'}: {found}. {_remedy(family)}")
        return kind

    @property
    def base64(self) -> str:
        """The bytes in base64."""
        return b64encode(self.data).decode()

    def data_url(self, kind: str) -> str:
        """The bytes as a data URL of that type."""
        return f"data:{kind};base64,{self.base64}"


def _part(source: Any, told: dict[str, Any]) -> dict[str, Any]:
    if not is_recorded(source):
        return told
    made = Part(told)
    made.source = source
    return made


def _is_picture(value: Any) -> bool:
    """Whether a value is a PIL image, told by its shape: pillow is no dependency."""
    kind: Any = value.__class__
    return callable(getattr(kind, "save", None)) and all(hasattr(value, name) for name in ("mode", "size"))


def _saved(picture: Any) -> bytes:
    """A PIL image in the format that it was read from where models take it, else as PNG."""
    out = io.BytesIO()
    known = getattr(picture, "format", None)
    try:
        picture.save(out, format=known if known in ("PNG", "JPEG", "GIF", "WEBP") else "PNG")
    except (OSError, ValueError) as error:  # what pillow raises for a mode that the format does not have
        raise MessageError(f"the image cannot be written as {known or 'PNG'}: {error}") from error
    return out.getvalue()


def _check_size(size: int, what: str) -> None:
    if size > LARGEST:
        raise MessageError(
            f"{what} has {size:,} bytes, and {LARGEST:,} is the most that is sent: make it smaller, "
            "or upload it and pass trace.file(id=...)"
        )


def _or_more(what: str) -> str:
    return {"image": ", a PIL image or a URL", "file": ", or id= of an upload"}.get(what, "")


def _remedy(family: str) -> str:
    return {
        "image": 'Say its type, as in trace.image(data, type="image/png")',
        "audio": 'Say its format, as in trace.audio(data, format="wav")',
    }.get(family, 'Say what it is: trace.image(...), trace.audio(...) or trace.file(data, type="text/plain")')


def _short(path: Any) -> str:
    text = repr(path)
    return text if len(text) <= 200 else f"{text[:200]}...'"
