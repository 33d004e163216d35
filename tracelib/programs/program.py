"""Language model programs: `@lm` makes of a function a prompt, and of its call a question to a model.

The docstring is the system message, what the function returns the rest: a text, or a list of messages.
The call is recorded as one call of the function, with what the model's endpoint told.
"""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tracelib.errors import GraphError
from tracelib.graph.bundle import BoundBundle, Bundle
from tracelib.graph.operator import find
from tracelib.graph.parameter import Parameter
from tracelib.graph.signature import signature_of
from tracelib.graph.streams import run_coroutine, runner_of
from tracelib.llm.message import as_messages, system
from tracelib.llm.model import Model
from tracelib.programs.asked import Asked
from tracelib.programs.handing import handed, handed_later
from tracelib.programs.offer import said_of
from tracelib.programs.question import Question, ask, ask_later
from tracelib.programs.stream import ProgramStream, streamed

_making = threading.RLock()
"""Held while a prompt's Parameter is made, so that threads that ask for it first at once get the same one."""

OVERRIDES = frozenset(("api_params", "client", "model"))
"""What a call may say beside the function's own arguments."""


class Program(Bundle[Any, Any]):
    """A function whose result a language model completes.

    Called, it gives the reply's text; a list of texts where `n` is more than one; an object of
    `response_format` where that is a pydantic class, once asked again and then InvalidReply when the
    reply is none; the Reply itself where `tools` are offered or with `raw=True`. What is given knows its
    origin. A call may say `api_params=`, `client=` and `model=` beside the function's arguments, unless
    the function has an argument of that name. A store keeps model, tokens and cost with the call.
    """

    __slots__ = ("_asked", "_stream", "_system", "learns")

    def __init__(
        self, fn: Callable[..., Any], asked: Asked, trainable: bool | str = False, **options: Any
    ) -> None:
        _check(fn, trainable)
        self._asked = asked
        self._stream: Callable[..., Any] | None = None
        self._system: Parameter[str] | None = None
        self.learns = trainable
        super().__init__(fn, trainable=trainable == "all", **options)
        self.op.kind = "lm"
        if inspect.ismethod(self.fn):
            self.op.receiver = False  # it has its object already
        self.op.api_params = asked.told

    @property
    def api_params(self) -> Mapping[str, Any]:
        """What goes with every question, and the model's name."""
        return self._asked.told

    @property
    def system(self) -> Any:
        """The docstring as a Parameter where the program is trainable, else None."""
        if self.learns and self._system is None:
            with _making:
                if self._system is None:
                    self._system = self._made_system()
        return self._system

    def _made_system(self) -> Any:
        described = f"The system prompt of {self.op.name}."
        made = Parameter(said_of(self.fn), name=f"{self.op.name}.system", description=described)
        if self._owner is None:
            made._program = self.op.key
        return made

    def parameters(self) -> list[Any]:
        return list(self.parts().values())

    def parts(self) -> dict[str, Any]:
        return {**({"system": self.system} if self.learns else {}), **super().parts()}

    @property
    def learning(self) -> bool:
        return bool(self.learns)

    def _take(self, part: str, parameter: Any) -> None:
        if part:
            self._system = parameter
        else:
            super()._take(part, parameter)

    def using(
        self, model: Any = None, client: Any = None, api_params: Mapping[str, Any] | None = None
    ) -> Program:
        """The same program, of the same name and versions, that asks another model or in another way."""
        return self._variant(self._asked.using(model, client, api_params))

    def whole(self) -> Program:
        """The same program, which gives the whole Reply."""
        return self._variant(replace(self._asked, raw=True))

    def _variant(self, asked: Asked) -> Program:
        self.parts()  # which both are to share
        made = self._twin(asked)
        made.op = self.op
        return made

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        found = super().__get__(instance, owner)
        return found if found is self else BoundProgram(found.__func__, found.__self__)

    def stream(self, *args: Any, **kwargs: Any) -> ProgramStream:
        """The reply's text in pieces, as they come: `for piece in greet.stream("Ann")`, or `async for`.

        The call is recorded when the stream ends, is closed or fails; then `result` is what a call gives.
        """
        mine = {name: kwargs.pop(name) for name in self._overrides & kwargs.keys()}
        if mine:
            return self.using(**mine).stream(*args, **kwargs)
        if self._stream is None:
            self._stream = streamed(self)
        made: ProgramStream = self._stream(*args, **kwargs)
        return made

    def body(self) -> Callable[[Any], Any]:
        """What is run in place of the function: the function, and then the question."""
        asking = functools.partial(_asking, self)
        outer = super().body()
        return asking if outer is None else lambda fn: outer(asking(fn))

    def entrance(self, recorded: Callable[..., Any]) -> Callable[..., Any]:
        """Settings are taken off a call; what is given is the value itself, which knows its origin."""
        give = handed_later if runner_of(self.fn) is run_coroutine else handed
        overrides, reference = self._overrides, weakref.ref(self)

        @functools.wraps(recorded)
        def called(*args: Any, **kwargs: Any) -> Any:
            if overrides.isdisjoint(kwargs):
                return give(recorded(*args, **kwargs))
            program: Any = reference()
            mine = {name: kwargs.pop(name) for name in overrides & kwargs.keys()}
            return program.using(**mine)(*args, **kwargs)

        return called

    @property
    def _overrides(self) -> frozenset[str]:
        return OVERRIDES - signature_of(self.fn).parameters.keys()

    def model(self) -> Model:
        """The model that is asked."""
        return self._asked.found()

    def question(self, prompt: Any) -> Question:
        """What is asked for what the function returned."""
        told = self.system.data if self.learns else said_of(self.fn)
        said = as_messages(prompt)
        messages = [system(told), *said] if told else said
        return Question(messages, self._asked.params, self._asked.raw, self._asked.known.formats)

    def _twin(self, asked: Asked) -> Program:
        options = {k: v for k, v in self._options().items() if k != "trainable"}
        made = Program(self.fn, asked, self.learns, **options)
        made._owner, made._descriptor, made._key = self._owner, self._descriptor, self._key
        made._around, made._parameter, made._system = self._around, self._parameter, self._system
        made._of = self._of
        return made

    def _copy(self) -> Program:
        """A copy that learns by itself."""
        made = self._twin(self._asked)
        made.op = self.op
        made._of = made._parameter = made._system = None
        for part, found in self.parts().items():
            made.parts()[part]._own = found._own
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        """By name, as functions are pickled; what was learned and what it asks otherwise travel with it."""
        where = (self.__module__, self.fn.__qualname__)
        found = find(*where)
        if not isinstance(found, Program) or found.fn is not self.fn:
            return super().__reduce_ex__(protocol)
        learned = {part: parameter._own for part, parameter in self.parts().items()}
        return _restored, (*where, learned, None if found._asked == self._asked else self._asked)

    def __repr__(self) -> str:
        return f"<program {self.op.name}{' trainable' if self.learns else ''}>"


class BoundProgram(BoundBundle):
    """A program that is a method, of one object."""

    def __init__(self, program: Program, instance: Any) -> None:
        super().__init__(program, instance)
        self.__doc__ = program.__doc__

    def stream(self, *args: Any, **kwargs: Any) -> ProgramStream:
        """The reply's text in pieces, as they come."""
        made: ProgramStream = self.__func__.stream(self.__self__, *args, **kwargs)
        return made

    def using(self, **settings: Any) -> BoundProgram:
        """The same method, that asks another model or in another way."""
        return BoundProgram(self.__func__.using(**settings), self.__self__)

    def whole(self) -> BoundProgram:
        """The same method, which gives the whole Reply."""
        return BoundProgram(self.__func__.whole(), self.__self__)

    def __reduce__(self) -> Any:
        own, asked = super().__reduce__(), self.__func__._asked
        found = own[0](*own[1])
        return own if found.__func__._asked == asked else (_asking_otherwise, (found, asked))


def lm(
    target: Any = None,
    /,
    *,
    model: Any = None,
    client: Any = None,
    raw: bool = False,
    trainable: bool | str = False,
    name: str | None = None,
    description: str | None = None,
    capture: str | None = None,
    catch_execution_error: bool = True,
    **api_params: Any,
) -> Any:
    """Make a function a language model program: `@lm(model="gpt-4o-mini", temperature=0.2)`.

    `model` is a name, a Model or a callable, the first two also by place: `@lm("gpt-4o-mini")`. Without
    one, as in `@lm` and `@lm()`, TRACELIB_MODEL names it. `client` is an openai client to ask it by.
    `trainable=True` makes the docstring a Parameter, "all" the function's code too. `raw=True` gives the
    whole Reply. The other options are those of `bundle`; `api_params` go to the model as they are.

    >>> @lm(model=lambda messages: f"Good day, {messages[-1]['content']}")
    ... def greet(name):
    ...     return name.title()
    >>> greet("ann")
    'Good day, Ann'
    """
    options: dict[str, Any] = {"name": name, "description": description, "capture": capture}
    options["catch_execution_error"] = catch_execution_error
    if target is None or isinstance(target, (str, Model)):
        asked = Asked(model or target, client, api_params, raw)
        return lambda fn: Program(fn, asked, trainable, **options)
    return Program(target, Asked(model, client, api_params, raw), trainable, **options)


def simple(target: Any = None, /, **options: Any) -> Any:
    """A program that gives the text alone, whatever is offered: `lm` with its result chosen."""
    refused = [option for option in ("tools", "raw") if options.get(option)]
    if isinstance(options.get("response_format"), type):
        refused.append("response_format")
    if refused:
        raise GraphError(f"a simple program gives a text: use complex or lm for {' and '.join(refused)}")
    return lm(target, **options)


def complex(target: Any = None, /, **options: Any) -> Any:
    """A program that gives the whole Reply: text, tool calls, parsed object, usage and cost."""
    return lm(target, **{**options, "raw": True})


def _check(fn: Any, trainable: bool | str) -> None:
    plain = fn.__func__ if isinstance(fn, (classmethod, staticmethod)) else fn
    if isinstance(plain, Bundle) and (type(plain) is not Bundle or plain.trainable):
        raise GraphError(
            f"{plain!r} is recorded already, and is no function of a program: call it in one, and return "
            "what it gives"
        )
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise GraphError(
            f"{plain.__qualname__} yields: a program returns its prompt, a text or a list of messages. "
            "To read the reply as it comes, call .stream(...)"
        )
    if trainable not in (True, False, "all"):
        raise GraphError(f'trainable is True, False or "all", not {trainable!r}')


def _restored(module: str, qualname: str, learned: Mapping[str, Any], asked: Asked | None) -> Any:
    """A program from a pickle: the one of that name, or a copy of it that learned other things."""
    found: Any = find(module, qualname)
    made = found if asked is None else found._variant(asked)
    if all(made.parts()[part]._own == own for part, own in learned.items()):
        return made
    copied = made._copy()
    for part, own in learned.items():
        copied.parts()[part]._own = own
    return copied


def _asking_otherwise(method: BoundProgram, asked: Asked) -> BoundProgram:
    return BoundProgram(method.__func__._variant(asked), method.__self__)


def _asking(program: Program, fn: Any) -> Callable[..., Any]:
    """The function with the question after it, of the same kind: awaited where the function is."""

    @functools.wraps(fn)
    def asked(*args: Any, **kwargs: Any) -> Any:
        return ask(program.model(), program.question(fn(*args, **kwargs)))

    @functools.wraps(fn)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await ask_later(program.model(), program.question(await fn(*args, **kwargs)))

    return awaited if runner_of(fn) is run_coroutine else asked
