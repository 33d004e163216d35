"""Language model programs: `@lm` makes of a function a prompt, and of its call a question to a model.

The docstring is the system message, what the function returns the rest: a text, or a list of messages.
The call is recorded as one call of the function, with what the model's endpoint told.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tracelib.errors import GraphError
from tracelib.graph.bundle import Bundle
from tracelib.llm.message import as_messages, system
from tracelib.llm.model import Model, Reply, as_model


class Program(Bundle[Any, Any]):
    """A function whose result a language model completes; `api_params` go with every question.

    Called, it gives the reply's text; a list of texts where `n` is more than one; an object of
    `response_format` where that is a pydantic class (InvalidReply when the reply is none); the Reply
    itself where `tools` are offered. A store keeps model, tokens and cost with the call.
    """

    __slots__ = ("_asked", "api_params")

    def __init__(self, fn: Callable[..., Any], model: Any, api_params: Mapping[str, Any]) -> None:
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise GraphError(
                f"{fn.__qualname__} yields: a program returns its prompt, a text or a list of messages"
            )
        named = {"model": model} if isinstance(model, str) else {}
        self.api_params = {**named, **api_params}
        self._asked = model
        super().__init__(fn)
        self.op.kind = "lm"
        self.op.api_params = self.api_params

    def body(self) -> Callable[[Any], Any]:
        """What is run in place of the function: the function, and then the question."""
        asking = functools.partial(_asking, self)
        outer = super().body()
        return asking if outer is None else lambda fn: outer(asking(fn))

    def model(self) -> Model:
        """The model that is asked; made at the first question, so that defining a program needs no key."""
        if not isinstance(self._asked, Model):
            self._asked = as_model(self._asked)
        return self._asked

    def messages(self, prompt: Any) -> list[Any]:
        """The whole conversation for what the function returned."""
        said = as_messages(prompt)
        told = inspect.getdoc(self.fn)
        return [system(told), *said] if told else said


def lm(model: Any = None, **api_params: Any) -> Any:
    """Make a function a language model program: `@lm(model="gpt-4o-mini", temperature=0.2)`.

    `model` is a name, a Model or a callable; without one TRACELIB_MODEL names it. `api_params` go to the
    model as they are.
    """
    if callable(model) and not isinstance(model, Model) and not api_params:
        raise GraphError("a program needs its model: write @lm(model=...), or @lm() and set TRACELIB_MODEL")
    return lambda fn: Program(fn, model, api_params)


def _asking(program: Program, fn: Any) -> Callable[..., Any]:
    """The function with the question after it, of the same kind: awaited where the function is."""

    @functools.wraps(fn)
    def asked(*args: Any, **kwargs: Any) -> Any:
        question = _Question(program, fn(*args, **kwargs))
        return question.heard(program.model().ask(question.messages, **question.params))

    @functools.wraps(fn)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        question = _Question(program, await fn(*args, **kwargs))
        return question.heard(await program.model().aask(question.messages, **question.params))

    return awaited if inspect.iscoroutinefunction(fn) else asked


class _Question:
    """One question of a program, and what its reply is to the caller."""

    def __init__(self, program: Program, prompt: Any) -> None:
        self.messages = program.messages(prompt)
        self._format = program.api_params.get("response_format")
        self._tools: Sequence[Any] = program.api_params.get("tools", ())
        self.params = {k: v for k, v in program.api_params.items() if k != "model"}
        if self._tools:
            self.params["tools"] = [getattr(one, "schema", one) for one in self._tools]
        if isinstance(self._format, type):
            self.params["response_format"] = _schema_of(self._format)

    def heard(self, reply: Reply) -> Any:
        """What the caller gets of the reply."""
        if isinstance(self._format, type):
            return reply.parse(self._format)
        if self._tools:
            return reply
        return list(reply.texts) if len(reply.texts) > 1 else reply.text


def _schema_of(kind: Any) -> dict[str, Any]:
    """A pydantic class as the chat completions API takes it."""
    return {"type": "json_schema", "json_schema": {"name": kind.__name__, "schema": kind.model_json_schema()}}
