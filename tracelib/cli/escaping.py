"""Text from traces is data: what would move a cursor, recolour a screen or turn a line is written out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from tracelib.render.labels import short

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls but tab and line feed, marks of direction, invisible letters, halves of surrogate pairs."""
LENGTH = 120
"""Characters of a value in a line of a listing."""


def visible(text: str) -> str:
    r"""The text with every character that a terminal would obey, or not show, as `\x1b`; lines stay lines."""
    return HIDDEN.sub(lambda found: escaped(found[0]), text.replace("\r\n", "\n"))


def escaped(text: str) -> str:
    r"""Python's escapes for it: `\x1b`, `\u202e`."""
    return text.encode("unicode_escape").decode()


def one_line(text: str, length: int = LENGTH) -> str:
    """The beginning of the text, visible and in one line; `…` marks a cut."""
    head = text[: 4 * length].strip()
    line = visible(" ".join(head.split()) if "\n" in head or "\t" in head else head)
    return line if len(line) <= length and len(text) <= 4 * length else line[: length - 1] + "…"


def brief(value: Any, length: int = LENGTH) -> str:
    """A value in one line."""
    return one_line(short(value, length), length)


def whole(value: Any) -> str:
    """A value in full: a string as it is, anything else as indented JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(finite(value), ensure_ascii=False, indent=2, default=_text)


def plain_json(objects: Any, ascii_only: bool = False) -> str:
    """JSON that any reader takes and any terminal shows: numbers are finite, hidden characters escaped."""
    text = json.dumps(finite(objects), ensure_ascii=ascii_only, indent=2, allow_nan=False, default=_text)
    return HIDDEN.sub(lambda found: _json_escape(found[0]), text)


def finite(value: Any) -> Any:
    """The value with NaN and the infinities, for which JSON has no number, as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def _text(value: Any) -> str:
    """What JSON has no form for, as text."""
    return value.isoformat() if isinstance(value, (date, time)) else repr(value)


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1]
