"""What `import tracelib` gives inside a sandbox: values as they are, functions as they are, no models.

What is recorded is recorded outside; inside, code runs as the plain Python that it is.
"""

from __future__ import annotations

from typing import Any

PLAIN = ("bundle", "model", "experiment", "metric", "wrap")
ASKING = ("lm", "simple", "complex", "prompt", "tool", "embed", "classify", "gather", "agent_loop")


def node(value: Any, *args: Any, **keywords: Any) -> Any:
    """The value itself."""
    return value


class Module:
    """A class like any other."""


def _as_it_is(given: Any = None, /, **options: Any) -> Any:
    """A decorator that leaves the function as it is, with or without options."""
    return given if callable(given) else lambda function: function


def _asking(name: str) -> Any:
    def decorator(*args: Any, **options: Any) -> Any:
        if len(args) == 1 and callable(args[0]) and not options:
            return _refused(name, args[0])
        return lambda function: _refused(name, function)

    return decorator


def _refused(kind: str, function: Any) -> Any:
    said = getattr(function, "__name__", kind)

    def refusing(*args: Any, **keywords: Any) -> Any:
        raise RuntimeError(
            f"{said} ({kind}) asks a model or records, which a sandbox cannot: name it in tools=[...], "
            "and it is called outside"
        )

    return refusing


globals().update(dict.fromkeys(PLAIN, _as_it_is))
globals().update({name: _asking(name) for name in ASKING})
