"""The texts of the questions: files in prompts/, put together, and the version that tells which were used."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from optimizers.candidate import content_key
from optimizers.evidence.display import shown
from tracelib.errors import OptimizerError

SETTING = 10_000
"""Characters of a setting that count for a version."""


@cache
def prompt_file(name: str) -> str:
    """The text of a file in prompts/, without the white space at its ends.

    Raises OptimizerError when there is none of that name.
    """
    try:
        return (files("optimizers.proposers") / "prompts" / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise OptimizerError(
            f"there is no standing text {name} in optimizers/proposers/prompts: a proposer of your own "
            "brings its text as the default of its field `instruction`"
        ) from error


def filled(name: str, **parts: Any) -> str:
    """A file in prompts/ with its `$places` filled."""
    return Template(prompt_file(name)).substitute(parts)


@cache
def standing_text(tag: str) -> str:
    """The standing text of a proposer, with the parts that all share in their places."""
    return filled(f"{tag}.md", **{part: prompt_file(f"{part}.md") for part in ("data", "cut", "answer")})


def version_of(answering: Any, *texts: str) -> str:
    """`tag:` and 12 hex digits of all that shapes the questions: its texts and its other settings.

    Equal versions ask the same of the same request; the parameters do not count.
    """
    settings = [
        [one.name, _setting(getattr(answering, one.name))]
        for one in fields(answering)
        if one.name != "parameters"
    ]
    return f"{answering.tag}:{content_key([list(texts), settings])[:12]}"


def _setting(value: Any) -> str:
    """A setting as text: functions by their name, the rest as it is shown."""
    name = getattr(value, "__qualname__", None)
    return f"{value.__module__}:{name}" if name is not None else str(shown(value, SETTING))
