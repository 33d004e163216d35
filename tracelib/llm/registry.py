"""Which model a name means: what this program registered, then the project's profiles, else OpenAI's."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tracelib.errors import NoModelError
from tracelib.late import resolver
from tracelib.llm.limits import Limits
from tracelib.llm.model import LATE, CallableModel, Model
from tracelib.llm.profiles import profile_of

_late = resolver(LATE)

MADE_WITH = {"api_key", "base_url", "limits", "prices", "retry"}
"""What a model is made with, and no parameter of a question."""

MARKS = "*?["
"""What makes a name a pattern."""


@dataclass(frozen=True)
class Registration:
    """What a name, or every name that fits a pattern, stands for; each name's model is made once."""

    pattern: str
    source: Any
    defaults: Mapping[str, Any]
    made: dict[str, Model] = field(default_factory=dict, compare=False, repr=False)

    def fits(self, name: str) -> bool:
        return name == self.pattern or fnmatchcase(name, self.pattern)

    def model(self, name: str) -> Model:
        """The model of this name."""
        with _making:
            if name not in self.made:
                self.made[name] = made_of(self.source, name, self.defaults)
            return self.made[name]


_making = threading.RLock()
_registered: tuple[Registration, ...] = ()
_lately: dict[str, tuple[dict[str, Any], Any]] = {}
"""The models that names meant lately, and of what they were made."""
LATELY = 32
"""How many of them are kept: an SDK's client takes a tenth of a second to make."""


def register_model(name_or_pattern: str, source: Any, **defaults: Any) -> None:
    """Let a name, or a pattern such as "local/*", stand for a model wherever one is named.

    `source` is a client of the openai package, a function `(messages, **params)`, or a Model; None takes
    what was registered under this name away. `defaults` go with every question; `model=` among them is
    what the endpoint calls the model, where that is not the name. Of several that fit a name the latest
    wins. It holds for this process. Raises NoModelError for a source that is none of these.

    >>> register_model("shout", lambda messages, **params: messages[-1]["content"].upper())
    >>> named_model("shout").ask("hello").text
    'HELLO'
    >>> register_model("shout", None)
    """
    global _registered
    if not isinstance(name_or_pattern, str) or not name_or_pattern.strip():
        raise NoModelError(f"a model is registered under a name or pattern, not {name_or_pattern!r}")
    pattern = name_or_pattern.strip()
    with _making:
        if source is None:
            _registered = _but(pattern)
            return
        found = Registration(pattern, source, defaults)
        if not any(mark in pattern for mark in MARKS):
            found.model(pattern)
        elif not (isinstance(source, Model) or is_client(source) or is_function(source)):
            raise _no_source(source)
        _registered = (*_but(pattern), found)


def _but(pattern: str) -> tuple[Registration, ...]:
    return tuple(one for one in _registered if one.pattern != pattern)


def named_model(name: str) -> Model:
    """The model that a name means: the latest registration that fits, a profile, or OpenAI's own.

    A model of a profile or of OpenAI is the same one, with its connections, as long as the profile and the
    environment say the same.
    """
    for known in reversed(_registered):
        if known.fits(name):
            return known.model(name)
    profile = profile_of(name)
    settings = profile.settings() if profile else {"name": name}
    with _making:
        told, model = _lately.pop(name, (None, None))
        if model is None or told != settings or not model.is_current:
            model = _late("openai")(**settings)
        _lately[name] = settings, model
        if len(_lately) > LATELY:
            del _lately[next(iter(_lately))]
    found: Model = model
    return found


def made_of(source: Any, name: str, defaults: Mapping[str, Any]) -> Model:
    """A model of this name that asks the source."""
    told = dict(defaults)
    if isinstance(source, Model):
        return source if not told else _varied(source, told)
    if isinstance(told.get("limits"), Limits) and not is_client(source):
        raise NoModelError(f"limits are kept for clients and models of an endpoint, not for {source!r}")
    called = told.pop("model", name)
    if is_client(source):
        made: Model = _late("client")(called, source, **told)
        return made
    if not is_function(source):
        raise _no_source(source)
    return CallableModel(source, called, **told)


def is_client(source: Any) -> bool:
    """Whether it looks like a client of the openai package, which is not loaded to see that."""
    return hasattr(source, "chat") and hasattr(source, "with_options")


def is_function(source: Any) -> bool:
    """Whether it can be called for a reply; a class makes things of its own."""
    return callable(source) and not isinstance(source, type)


def _varied(model: Model, defaults: dict[str, Any]) -> Model:
    """A copy of a model with other defaults."""
    made_with = sorted(MADE_WITH & defaults.keys())
    if made_with:
        raise NoModelError(f"{model!r} is made already: say {made_with[0]}= where it is, not with its name")
    made = copy.copy(model)
    made.name = defaults.pop("model", made.name)
    made.defaults = {**made.defaults, **defaults}
    return made


def _no_source(source: Any) -> NoModelError:
    return NoModelError(
        f"{source!r} is not a model: register openai.OpenAI(...) or openai.AsyncOpenAI(...), a function "
        "(messages, **params) -> text, or a Model"
    )
