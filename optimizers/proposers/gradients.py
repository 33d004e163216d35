"""Textual gradients: what a critic says of a variable, and how a proposal's reason keeps them for later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.sections import hanging

NOTED = 1_000
"""Characters of a gradient that a reason keeps."""
OPENING = "gradient of "


@dataclass(frozen=True)
class Gradient:
    """What a variable should become other than it is, so that an example's output would be better."""

    variable: str
    text: str
    example: int = 0


def reason_of(reasons: Iterable[tuple[str, str]], gradients: Iterable[Gradient]) -> str:
    """A reason for new values: why each, then the gradients they were made from; `noted_in` reads it.

    >>> print(reason_of([("prompt", "clearer")], [Gradient("prompt", "Say it\\nbriefly.")]))
    prompt: clearer
    gradient of "prompt": Say it
      briefly.
    """
    lines = [hanging(f"{name}: {reason.strip()}") for name, reason in reasons]
    for one in gradients:
        text = hanging(str(Excerpt.of(one.text.strip(), NOTED)))
        lines.append(f"{OPENING}{json.dumps(one.variable, ensure_ascii=False)}: {text}")
    return "\n".join(lines)


def noted_in(notes: Sequence[str]) -> list[Gradient]:
    """The gradients in reasons, in order; a text that is no such reason has none.

    >>> noted_in(['prompt: clearer\\ngradient of "prompt": Say it\\n  briefly.'])
    [Gradient(variable='prompt', text='Say it\\nbriefly.', example=0)]
    """
    return [found for note in notes for block in _blocks(note) if (found := _read(block)) is not None]


def _blocks(note: str) -> list[str]:
    """The lines that begin at the margin, each with the indented ones behind it."""
    blocks: list[str] = []
    for line in note.split("\n"):
        if blocks and line.startswith("  "):
            blocks[-1] += "\n" + line[2:]
        else:
            blocks.append(line)
    return blocks


def _read(block: str) -> Gradient | None:
    if not block.startswith(OPENING):
        return None
    try:
        name, end = json.JSONDecoder().raw_decode(block, len(OPENING))
    except ValueError:
        return None
    whole = isinstance(name, str) and block.startswith(": ", end)
    return Gradient(name, block[end + 2 :]) if whole else None
