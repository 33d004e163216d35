"""Values written as Python literals, in the manner of the literal that they replace."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

OPENING = re.compile(r"""([a-zA-Z]*)(\"\"\"|'''|"|')""")
JOINER = "\u200d"
"""Joins the parts of an emoji: the one invisible character that is written as it is."""

Holds = Callable[[str], bool]
"""Whether the file's encoding has a text."""


@dataclass(frozen=True)
class Manner:
    """How a literal is written: its prefix, its quotes, what the file can hold, whether tabs stay tabs."""

    prefix: str
    quote: str
    holds: Holds
    tabs: bool = False

    @classmethod
    def of(cls, literal: str, holds: Holds) -> Manner:
        """The manner of a literal, of its first string where it has several; double quotes without one."""
        found = OPENING.search(literal)
        return cls(found[1], found[2], holds) if found else cls("", '"', holds)

    def text(self, value: str) -> str:
        """A string as a literal; one of several lines has triple quotes."""
        quote = self.quote * 3 if "\n" in value and len(self.quote) == 1 else self.quote
        if "r" in self.prefix.lower():
            raw = f"{self.prefix}{quote}{value}{quote}"
            if self._plain(value) and _means(raw, value):
                return raw
        prefix = "".join(c for c in self.prefix if c not in "rR")
        return f"{prefix}{quote}{self.escaped(value, quote)}{quote}"

    def escaped(self, value: str, quote: str) -> str:
        """What stands between the quotes; newlines stay in triple quotes only."""
        text = "".join(map(self._character, value.replace("\\", "\\\\")))
        if len(quote) == 1:
            return text.replace("\n", "\\n").replace(quote, f"\\{quote}")
        text = re.sub(f"{quote[0]}{{3,}}", lambda run: f"\\{quote[0]}" * len(run[0]), text)
        last = len(value) - len(value.rstrip(quote[0]))
        return f"{text[:-1]}\\{quote[0]}" if 0 < last < 3 else text

    def value(self, value: Any) -> str:
        """Any value of literals; ValueError where it has none."""
        if isinstance(value, str):
            one = Manner("", self.quote[0], self.holds)
            return f"{one.quote}{one.escaped(value, one.quote)}{one.quote}"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.value(k)}: {self.value(v)}" for k, v in value.items()) + "}"
        if isinstance(value, (list, tuple, set)) and value:
            inner = ", ".join(map(self.value, value))
            ends = {list: "[]", tuple: "()", set: "{}"}[type(value)]
            return f"{ends[0]}{inner}{',' if type(value) is tuple and len(value) == 1 else ''}{ends[1]}"
        if not _means(repr(value), value):
            raise ValueError(f"{value!r} cannot be written as a literal")
        return repr(value)

    def _plain(self, value: str) -> bool:
        return all(self._character(c) == c for c in value)

    def _character(self, c: str) -> str:
        if c in ("\n", JOINER) or c.isprintable() or (c == "\t" and self.tabs):
            return c if self.holds(c) else _escape(c)
        return {"\t": "\\t", "\r": "\\r"}.get(c) or _escape(c)


def docstring(value: str, literal: str, indent: str, holds: Holds) -> str:
    """A docstring that says `value`, laid out as the one that it replaces; ValueError where none can."""
    # Tabs in a docstring are its margin: Python makes spaces of any others.
    wanted, manner = spoken(value), replace(Manner.of(literal, holds), tabs=True)
    for below in (_begins_below(literal), True):
        found = manner.text(_laid_out(wanted, literal, indent, below))
        if inspect.cleandoc(ast.literal_eval(found)) == wanted:
            return found
    raise ValueError("a docstring keeps neither tabs nor a first line that is set in")


def spoken(value: str) -> str:
    """What a docstring says of a text: neither its margin nor the space around it counts."""
    return textwrap.dedent(value).strip("\n").rstrip()


def _begins_below(literal: str) -> bool:
    return bool(re.match(r"""[a-zA-Z]*(\"\"\"|''')[ \t]*[\r\n]""", literal))


def _laid_out(wanted: str, literal: str, indent: str, below: bool) -> str:
    """The lines of a docstring in their places; an empty line has no margin."""
    if not wanted:
        return ""
    many = "\n" in wanted
    text = re.sub(rf"\n{re.escape(indent)}(?=\n)", "\n", wanted.replace("\n", f"\n{indent}"))
    closing = re.search(r"(?:\r\n|\r|\n)[ \t]*(?:\"\"\"|''')$", literal)
    was_one_line = not re.search(r"[\r\n]", literal)
    closes_below = bool(closing) or (was_one_line and many) or (below and was_one_line)
    return (f"\n{indent}" if below else "") + text + (f"\n{indent}" if closes_below else "")


def _means(literal: str, value: Any) -> bool:
    try:
        found = ast.literal_eval(literal)
    except (SyntaxError, ValueError):
        return False
    return bool(type(found) is type(value) and found == value)


def _escape(c: str) -> str:
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
