"""The one door to a language model: `Model.ask` and its twins, any callable as a model, and which to use."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any, ClassVar, cast

from tracelib.errors import InvalidReply, ModelCallError, ModelError, NoModelError
from tracelib.late import resolver
from tracelib.llm.completion import read_completion
from tracelib.llm.cost import Price, Prices, as_prices, cost_of
from tracelib.llm.guard import (
    AsyncPieces,
    Pieces,
    Question,
    Steps,
    awalk,
    awalk_pieces,
    guarded,
    passage,
    walk,
    walk_pieces,
)
from tracelib.llm.message import as_messages, plain
from tracelib.llm.portal import Portal
from tracelib.llm.reply import Reply, ToolCall, Usage
from tracelib.llm.stream import AsyncTextStream, TextStream

__all__ = [
    "CallableModel",
    "Model",
    "Price",
    "Question",
    "Reply",
    "ToolCall",
    "Usage",
    "as_model",
    "default_model",
    "guarded",
]

# Bound late, name -> "module:attribute". The module of OpenAIModel loads openai, tenacity and pydantic, a
# second of work that a program without an OpenAI model never pays; who keeps records lives in a higher room.
LATE = {
    "openai": "tracelib.llm.openai:OpenAIModel",
    "client": "tracelib.llm.lent:ClientModel",
    "retry": "tracelib.llm.retry:RetryPolicy",
    "named": "tracelib.llm.registry:named_model",
    "version_of": "tracelib.versioning.closure:version_of",
    "tell_question": "tracelib.programs.asking:tell_question",
    "tell_reply": "tracelib.programs.asking:tell_reply",
    "tell_failure": "tracelib.programs.asking:tell_failure",
}
_late = resolver(LATE)

CALLABLE = "callable"
"""The provider of a function that says no other."""


class Model:
    """A language model. Ask it by `ask`, `aask`, `stream` or `astream`; all pass the same guards.

    `name` is what the endpoint calls the model, `provider` who answers. `prices` gives dollars per
    million tokens by model name. `defaults` are parameters of every question. A subclass brings
    `answer`; `aanswer`, `pieces` and `apieces` follow from it unless it has better.
    """

    provider: str = "custom"
    function: Callable[..., Any] | None = None
    """What answers, where that is a function of the user's."""
    _of_this_process: ClassVar[tuple[str, ...]] = ()
    """Attributes that neither a pickle nor a copy takes along; `_open` makes new ones."""

    def __init__(self, name: str, *, prices: Prices | None = None, **defaults: Any) -> None:
        self.name = cast(str, plain(name))
        self.prices = as_prices(prices)
        self.defaults = defaults
        self._open()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, provider={self.provider!r})"

    def ask(self, messages: Any, **params: Any) -> Reply:
        """The model's reply. `messages`: a text, a message, a dict in chat shape, or a list of these.

        `params` go to the endpoint as they are and win over the model's defaults. Raises a ModelError:
        MessageError before anything is sent, ModelCallError when the endpoint fails. `sample` goes nowhere:
        it is a number that tells askings of one question apart for a cache or a cassette.
        """
        return walk(self._asking(messages, params), self.answer)

    async def aask(self, messages: Any, **params: Any) -> Reply:
        """`ask`, to be awaited."""
        return await awalk(self._asking(messages, params), self.aanswer)

    def stream(self, messages: Any, **params: Any) -> TextStream:
        """The text of the reply in pieces, as it comes; the stream's `reply` is whole at its end."""
        return TextStream(walk_pieces(self._asking(messages, params, streamed=True), self.pieces))

    def astream(self, messages: Any, **params: Any) -> AsyncTextStream:
        """`stream`, to be read by `async for`."""
        return AsyncTextStream(awalk_pieces(self._asking(messages, params, streamed=True), self.apieces))

    def answer(self, question: Question) -> Reply:
        """Ask the model itself: no guard, no cost. What a subclass brings."""
        raise NotImplementedError(f"{type(self).__name__} has no answer(question)")

    async def aanswer(self, question: Question) -> Reply:
        """`answer`, to be awaited: in a thread, unless a subclass has better."""
        return await asyncio.to_thread(self.answer, question)

    def pieces(self, question: Question) -> Pieces:
        """The text as it comes, then the Reply: all in one piece, unless a subclass has better."""
        reply = self.answer(question)
        if reply.text:
            yield reply.text
        yield reply

    async def apieces(self, question: Question) -> AsyncPieces:
        """`pieces`, to be awaited."""
        reply = await self.aanswer(question)
        if reply.text:
            yield reply.text
        yield reply

    def close(self) -> None:
        """Let go of connections and threads; the model can still be asked and makes new ones."""

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _asking(self, messages: Any, params: Mapping[str, Any], streamed: bool = False) -> Steps:
        """The way of one question: every call of every model passes here."""
        told = plain_params({**self.defaults, **params})
        sample = told.pop("sample", 0)
        question = Question(
            model=self.name,
            provider=self.provider,
            messages=[message.to_dict() for message in as_messages(messages)],
            params=told,
            price=self.prices.get(self.name),
            sample=sample,
            streamed=streamed,
            function=self.function,
        )
        return _told(question, passage(question, self._asked))

    def _asked(self, question: Question) -> Steps:
        started = perf_counter()
        reply = yield question
        dollars, source = cost_of(reply, question, self.prices)
        return replace(
            reply,
            cost=dollars,
            cost_source=source,
            model=reply.model or question.model,
            provider=reply.provider or question.provider,
            duration=perf_counter() - started,
        )

    def _open(self) -> None:
        """Make what belongs to this process: locks, clients, threads."""

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in self._of_this_process}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()


class CallableModel(Model):
    """Any function `(messages: list[dict], **params)` as a model, sync or async, asked either way.

    It returns the text, a Reply, or an object or dict in the shape of a chat completion. An async
    function asked synchronously runs on a loop in a thread of the model's own, a sync one asked
    asynchronously runs in a worker thread. What the function raises is raised unchanged.
    """

    provider = CALLABLE
    function: Callable[..., Any]
    _of_this_process = ("_portal",)

    def __init__(
        self, function: Callable[..., Any], name: str = "", *, prices: Prices | None = None, **defaults: Any
    ) -> None:
        super().__init__(name or _name_of(function), prices=prices, **defaults)
        self.function = function

    def answer(self, question: Question) -> Reply:
        if self._portal.is_here:
            raise ModelError(f"{self.name} was asked synchronously from inside itself: await model.aask(...)")
        said = self._call(question)
        return self._read(self._portal.run(_result(said)) if inspect.isawaitable(said) else said)

    async def aanswer(self, question: Question) -> Reply:
        if _is_async(self.function):
            said = self._call(question)
        else:
            said = await asyncio.to_thread(self._call, question)
        return self._read(await said if inspect.isawaitable(said) else said)

    def close(self) -> None:
        self._portal.close()

    def _open(self) -> None:
        self._portal = Portal()

    def _call(self, question: Question) -> Any:
        return self.function(question.messages, **question.params)

    def _read(self, said: Any) -> Reply:
        if isinstance(said, Reply):
            return said
        said = plain(said)
        if isinstance(said, str):
            return Reply(said)
        if isinstance(said, Mapping) or hasattr(said, "choices"):
            return read_completion(said)
        kind = type(said).__name__
        raise InvalidReply(
            f"{self.name} returned {kind} {said!r}: return text, a Reply or a chat completion", repr(said)
        )


def _told(question: Question, steps: Steps) -> Steps:
    """The steps, and whoever keeps records of the running call told of them."""
    _late("tell_question")(question)
    try:
        reply = yield from steps
    except ModelCallError as error:
        _late("tell_failure")(error)
        raise
    _late("tell_reply")(reply)
    return reply


def as_model(source: Any = None) -> Model:
    """The model meant by `source`: a Model, a callable, or a name: registered, of a profile, or OpenAI's.

    None means `default_model()`. Raises NoModelError for anything else.
    """
    source = plain(source)
    if source is None:
        return default_model()
    if isinstance(source, Model):
        return source
    if isinstance(source, str) and source.strip():
        return cast(Model, _late("named")(source.strip()))
    if callable(source) and not isinstance(source, type):
        return CallableModel(source)
    raise NoModelError(
        f"{source!r} is not a model: give a name such as 'gpt-4o-mini', a Model, "
        "or a function (messages, **params) -> text"
    )


def with_client(client: Any, name: Any = None) -> Model:
    """A model asked by the user's own client: one of the openai package, or a callable."""
    if isinstance(client, Model) or not hasattr(client, "chat"):
        return as_model(client)
    named = name.name if isinstance(name, Model) else name or os.environ.get("TRACELIB_MODEL", "").strip()
    if not isinstance(named, str) or not named:
        raise NoModelError("a client was given and no model: say model='gpt-4o-mini', or set TRACELIB_MODEL")
    return cast(Model, _late("client")(named, client))


def is_configured() -> bool:
    """Whether the environment names a model, so that `default_model` gives one."""
    return bool(os.environ.get("TRACELIB_MODEL", "").strip())


def default_model() -> Model:
    """The model named by the environment variable TRACELIB_MODEL. Raises NoModelError when it is not set."""
    name = os.environ.get("TRACELIB_MODEL", "").strip()
    if not name:
        raise NoModelError(
            "no model was named and TRACELIB_MODEL is not set: pass a model, its name or a function "
            "(messages, **params) -> text, or set TRACELIB_MODEL=gpt-4o-mini with OPENAI_API_KEY "
            "(and OPENAI_BASE_URL for any other OpenAI-compatible server)"
        )
    return as_model(name)


def plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without any record; those that are None are left out, so None takes a default away."""
    return {key: plain(value) for key, value in params.items() if value is not None}


def _name_of(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__qualname__", type(function).__name__)


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, partial):
        function = function.func
    return any(map(inspect.iscoroutinefunction, (function, type(function).__call__)))


async def _result(said: Awaitable[Any]) -> Any:
    return await said
