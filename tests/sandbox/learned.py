"""What the tests of sandboxes share: bundles whose code was learned, and the sandboxes of this machine."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import tracelib as trace
from tracelib.sandbox.confine import Confinement, confine
from tracelib.sandbox.monty import MontySandbox
from tracelib.sandbox.process import ProcessSandbox
from tracelib.sandbox.sandbox import Sandbox, SandboxLimits

SMALL = SandboxLimits(wall=1.0, memory=256 * 2**20, reply=2**20)
KINDS: dict[str, Any] = {"process": ProcessSandbox, "monty": MontySandbox}


@trace.bundle(trainable=True)
def attack(x: Any) -> Any:
    """A function that a model rewrites."""
    return x


@trace.bundle(trainable=True)
def bystander(x: Any) -> Any:
    """A function whose process must not notice what others do."""
    return x


COUNTING = """
def bystander(x):
    import json
    json.count = getattr(json, "count", 0) + 1
    return [x, json.count, len("abc")]
"""


def learn(bundle: Any, source: str, sandbox: Sandbox, *tools: Callable[..., Any]) -> None:
    """Let the bundle run this source, as a model's, in the sandbox."""
    parameter = bundle.parameter
    text = parameter._code.check(textwrap.dedent(source).strip())
    confine(parameter, text, Confinement(sandbox, tools))
    parameter.update(text, "a model wrote it", "test")
