"""A project's named models, from `[tool.tracelib.models]` in the nearest pyproject.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tracelib.errors import ModelError, NoModelError
from tracelib.late import resolver
from tracelib.llm.cost import as_price
from tracelib.llm.keys import NO_KEY, as_host, kept_key
from tracelib.llm.limits import Limits
from tracelib.llm.model import LATE

T = TypeVar("T")

_late = resolver(LATE)

REFUSED = {
    "api_key": "has an api_key, which belongs into no file of a project: say api_key_env = "
    '"NAME_OF_A_VARIABLE", or keep it by `tracelib keys set`',
    "name": "has a name: say what the endpoint calls it by model = ...",
}
"""What a profile may not say, and what to do about it."""

KINDS: dict[str, Any] = {"model": str, "base_url": str, "api_key_env": str, "timeout": int | float}
WORDS = {str: "text", int | float: "number"}


@dataclass(frozen=True)
class Profile:
    """One named model: `told` is its table, `where` the file that it is from."""

    name: str
    told: Mapping[str, Any]
    where: Path

    def settings(self) -> dict[str, Any]:
        """What an OpenAIModel is made of, its name at the endpoint among it, as `name`.

        Raises NoModelError for a key in the file, and for a variable that should hold one and does not.
        """
        self._check()
        told = {**self.told, "name": self.told.get("model", self.name)}
        told.pop("model", None)
        if "price" in told:
            told["prices"] = {told["name"]: self._made("price", partial(as_price, told["name"]))}
            del told["price"]
        if "limits" in told:
            told["limits"] = self._made("limits", lambda limits: Limits(**limits))
        if "retry" in told:
            told["retry"] = self._made("retry", lambda policy: _late("retry")(**policy))
        variable = told.pop("api_key_env", None)
        return {**told, "api_key": self._key(variable, told.get("base_url"))}

    def _check(self) -> None:
        for name, words in REFUSED.items():
            if name in self.told:
                raise self._wrong(words)
        for name, kinds in KINDS.items():
            if name in self.told and not isinstance(self.told[name], kinds):
                raise self._wrong(f"has {name} = {self.told[name]!r}, which is no {WORDS[kinds]}")

    def _key(self, variable: str | None, base_url: str | None) -> str | None:
        """The key for the profile's server; OPENAI_API_KEY goes only where the environment would send it."""
        if variable is not None:
            key = os.environ.get(variable, "").strip()
            if not key:
                raise self._wrong(f"takes its key from {variable}, which is not set")
            return key
        if not base_url or _is_of_the_environment(as_host(base_url)):
            return None
        return kept_key(as_host(base_url)) or NO_KEY

    def _made(self, name: str, make: Callable[[Any], T]) -> T:
        """What a table of the profile stands for."""
        told = self.told[name]
        try:
            return make(told)
        except (TypeError, ModelError) as error:
            raise self._wrong(f"has {name} {told!r}: {error}") from error

    def _wrong(self, words: str) -> NoModelError:
        return NoModelError(f"the model {self.name!r} in {self.where} {words}")


def profile_of(name: str) -> Profile | None:
    """The profile of this name, else the last whose name is a pattern that fits; None without one.

    Raises NoModelError when the file cannot be read, or what it says of the model is no table.
    """
    where = nearest_project()
    if where is None:
        return None
    profiles = _read(where)
    fitting = [pattern for pattern in profiles if fnmatchcase(name, pattern)]
    chosen = name if name in profiles else fitting[-1] if fitting else None
    return None if chosen is None else _profile(name, profiles[chosen], where)


def nearest_project() -> Path | None:
    """The pyproject.toml of the working folder, or of the nearest folder above it that has one."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the working folder is gone
        return None
    places = (folder / "pyproject.toml" for folder in (here, *here.parents))
    return next((place for place in places if place.is_file()), None)


def _profile(name: str, told: Any, where: Path) -> Profile:
    if isinstance(told, str):
        told = {"model": told}
    found = Profile(name, told, where)
    if not isinstance(told, Mapping):
        raise found._wrong(f'is {told!r}: write a name, or a table such as {{model = "qwen3", timeout = 30}}')
    return found


def _read(where: Path) -> Mapping[str, Any]:
    try:
        seen = where.stat()
        told = _parsed(where, seen.st_mtime_ns, seen.st_size)
    except (OSError, ValueError) as error:
        raise NoModelError(f"the models in {where} cannot be read: {error}") from error
    models = told.get("tool", {}).get("tracelib", {}).get("models", {})
    if not isinstance(models, Mapping):
        raise NoModelError(f"[tool.tracelib.models] in {where} is no table of models: {models!r}")
    return models


@lru_cache(maxsize=16)
def _parsed(where: Path, changed: int, size: int) -> Mapping[str, Any]:
    return tomllib.loads(where.read_text(encoding="utf-8"))


def _is_of_the_environment(host: str) -> bool:
    """Whether questions go there without a profile, and so OPENAI_API_KEY: OpenAI, and OPENAI_BASE_URL."""
    told = os.environ.get("OPENAI_BASE_URL", "").strip()
    known = as_host(told) if urlsplit(told).netloc else ""
    return host == known or host.endswith(".openai.com")
