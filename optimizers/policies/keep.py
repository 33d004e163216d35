"""A guard for what a text may not lose: passages the user has marked or named, and placeholders."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optimizers.effects import Propose
from optimizers.evidence.excerpt import Excerpt

QUOTED = 200
"""Characters of a lost passage that a problem quotes."""
_MARKED = re.compile(r"<keep>.*?</keep>", re.DOTALL)
_JINJA = re.compile(r"\{\{-?\s*(.+?)\s*-?\}\}", re.DOTALL)
_FORMAT = re.compile(r"(?<!\{)\{([A-Za-z_][\w.]*(?:\[\w+\])*)(?:![rsa])?(?::[^{}\n]*)?\}(?!\})")


@dataclass(frozen=True)
class Keep:
    """Refuses a text that has lost what had to stay.

    `texts` are passages by the path of their parameter; they must stand in the new text verbatim, where
    they stood in the old. So must what the old text has between `<keep>` and `</keep>`, marks included. With
    `placeholders`, each `{{ name }}` and `{name}` of the old text must occur in the new one, whatever its
    spaces. Code has no placeholders: an f-string may change.
    """

    texts: Mapping[str, Iterable[str]] = field(default_factory=dict)
    placeholders: bool = True

    def problem(self, path: str, value: Any, request: Propose) -> str | None:
        """What is missing."""
        old = request.candidate.values.get(path)
        if not isinstance(value, str) or not isinstance(old, str):
            return None
        kept = [text for text in (*self._named(path), *_MARKED.findall(old)) if text in old]
        lost = [text for text in kept if text not in value]
        if self.placeholders and not _is_code(old):
            lost += [name for name in _placeholders(old) if name not in _placeholders(value)]
        if not lost:
            return None
        quoted = ", ".join(repr(str(Excerpt.of(text, QUOTED))) for text in lost)
        return f"{path} has lost what must stay in it as it is: {quoted}"

    def _named(self, path: str) -> tuple[str, ...]:
        texts = self.texts.get(path, ())
        return (texts,) if isinstance(texts, str) else tuple(texts)


def _placeholders(text: str) -> dict[str, None]:
    """The placeholders of a text as they are to be written, each once."""
    jinja = [f"{{{{ {name} }}}}" for name in _JINJA.findall(text)]
    plain = [f"{{{name}}}" for name in _FORMAT.findall(_JINJA.sub("", text))]
    return dict.fromkeys((*jinja, *plain))


def _is_code(text: str) -> bool:
    """Whether a text is the source of a function or class."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for one in body)
