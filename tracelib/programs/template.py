"""Prompt templates: `@prompt` makes of a function's docstring a template, and of its call a Message.

The only room that knows jinja2. Templates run in its sandbox: they reach the arguments of the function, and
neither what Python keeps behind them nor any file.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import jinja2.meta
import jinja2.nodes
import jinja2.sandbox
import pydantic

from tracelib.errors import GraphError
from tracelib.graph.bundle import Bundle
from tracelib.graph.operator import find
from tracelib.graph.parameter import Parameter
from tracelib.graph.signature import signature_of
from tracelib.llm.message import Message

_making = threading.Lock()
"""Held while a template's Parameter is made, so that threads that ask first at once get the same one."""

ROLES = ("system", "user", "assistant")
FILES: tuple[type[jinja2.nodes.Node], ...] = (
    jinja2.nodes.Include,
    jinja2.nodes.Import,
    jinja2.nodes.FromImport,
    jinja2.nodes.Extends,
)
"""What asks for another template, of which there is none."""


class Prompt(Bundle[Any, Any]):
    """A function whose docstring is a jinja2 template: called, it gives a Message of its `role`.

    The arguments are the template's variables. The call is recorded; the message's content is a Text that
    came from it. Where the prompt is trainable, `template` is a Parameter.
    """

    __slots__ = ("_rule", "_template", "learns", "role")

    def __init__(
        self, fn: Callable[..., Any], role: str = "user", trainable: bool = False, **options: Any
    ) -> None:
        plain: Any = fn.__func__ if isinstance(fn, (classmethod, staticmethod)) else fn
        _check_function(plain, role)
        self.role = role
        self.learns = trainable
        self._template: Parameter[str] | None = None
        super().__init__(fn, **options)
        self.op.kind = "prompt"
        self._rule = Rule.of(self.op.name, plain, self.op.receiver)
        try:
            self._rule.check(self.source)
        except ValueError as error:
            raise GraphError(f"the template of {self.op.name} cannot be used: {error}") from None

    @property
    def source(self) -> str:
        """The template as the user wrote it."""
        return inspect.cleandoc(self.fn.__doc__)

    @property
    def template(self) -> Any:
        """The template as a Parameter where the prompt is trainable, else None."""
        if self.learns and self._template is None:
            with _making:
                if self._template is None:
                    self._template = self._made_template()
        return self._template

    def _made_template(self) -> Parameter[str]:
        described = f"The template of {self.op.name}, a {self.role} prompt."
        name = f"{self.op.name}.template"
        made = Parameter(self.source, name=name, description=described, constraint=self._rule)
        if self._owner is None:  # of a method its Module says whose it is
            made._program = self.op.key
        return made

    def parameters(self) -> list[Any]:
        return list(self.parts().values())

    def parts(self) -> dict[str, Any]:
        return {"template": self.template} if self.learns else {}

    def body(self) -> Callable[[Any], Any]:
        """What is run in place of the function: its template, filled with the arguments."""
        outer = super().body()
        return self._filling if outer is None else lambda fn: outer(self._filling(fn))

    def entrance(self, recorded: Callable[..., Any]) -> Callable[..., Any]:
        """The text becomes a message, whose content is the recorded text itself."""
        role = self.role

        @functools.wraps(recorded)
        def said(*args: Any, **kwargs: Any) -> Message:
            made = recorded(*args, **kwargs)
            return made if isinstance(made, Message) else Message(role, made)  # of an instance it is one

        return said

    def _filling(self, fn: Any) -> Callable[..., str]:
        signature, rule, source, template = signature_of(fn), self._rule, self.source, self.template

        @functools.wraps(fn)
        def filled(*args: Any, **kwargs: Any) -> str:
            given = signature.bind(*args, **kwargs)
            given.apply_defaults()
            text = source if template is None else template.data
            return rule.filled(text, given.arguments)

        return filled

    @property
    def learning(self) -> bool:
        return self.learns

    def _take(self, part: str, parameter: Any) -> None:
        self._template = parameter

    def _copy(self) -> Prompt:
        """A copy that learns by itself."""
        options = {k: v for k, v in self._options().items() if k != "trainable"}
        made = Prompt(self.fn, self.role, self.learns, **options)
        made._owner, made._descriptor, made._key = self._owner, self._descriptor, self._key
        made.op, made._around = self.op, self._around
        if self._template is not None:
            made.template._own = self._template._own
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Prompt:
        return self._copy() if self.learns else self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """By name, as functions are pickled; a learned template travels with it."""
        learned = self._template._own if self._template is not None else None
        where = (self.__module__, self.fn.__qualname__)
        found = find(*where)
        if isinstance(found, Prompt) and found.fn is self.fn:
            return _restored, (*where, learned)
        return _rebuilt, (self.fn, self.role, self.learns, learned)

    def __repr__(self) -> str:
        return f"<{self.role} prompt {self.op.name}{' trainable' if self.learns else ''}>"


def prompt(role: Any = "user", *, trainable: bool = False, **options: Any) -> Any:
    """Make of a function's docstring a template: `@prompt("system")`, "user" or "assistant".

    `{{ name }}` stands for an argument; loops, conditions and filters are jinja2's. Called, it gives a
    Message. A variable that is no argument raises GraphError, here where it can be known, else when the
    function is called. `trainable=True` makes the template a Parameter, which takes only templates that
    use the same arguments. `name`, `description` and `capture` are those of `bundle`.

    >>> @prompt("system")
    ... def judge(kind):
    ...     '''You are a judge of {{ kind }}.'''
    >>> judge("names").content
    'You are a judge of names.'
    """
    if not isinstance(role, str):
        return Prompt(role, "user", trainable, **options)
    return lambda fn: Prompt(fn, role, trainable, **options)


@dataclass(frozen=True)
class Rule:
    """What the template of a prompt may be: jinja2 that parses and uses none but these variables.

    A constraint of a Parameter. `others` says whether the function takes any more by `**`.
    """

    name: str
    variables: tuple[str, ...]
    others: str | None = None

    @classmethod
    def of(cls, name: str, fn: Callable[..., Any], receiver: bool) -> Rule:
        """The rule of a function; what a method is called on is no variable."""
        parameters = list(signature_of(fn).parameters.values())[1 if receiver else 0 :]
        spread = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        return cls(name, tuple(p.name for p in parameters), spread)

    def check(self, text: str) -> str:
        """The template itself; raises ValueError with the reason when it cannot be filled."""
        try:
            tree = _environment().parse(text)
            _template(text)
            unknown = _used(tree) - set(self.variables)
        except jinja2.TemplateSyntaxError as error:
            raise ValueError(f"line {error.lineno} does not parse: {error.message}") from None
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        if any(tree.find(kind) is not None for kind in FILES):
            raise ValueError("it asks for another template, and there is none")
        if "self" in unknown or (unknown and self.others is None):
            raise ValueError(
                f"it uses {_listed(sorted(unknown))}, and the arguments are {_listed(self.variables)}"
            )
        return text

    def filled(self, text: str, arguments: Mapping[str, Any]) -> str:
        """The template with the arguments in it; raises GraphError where it cannot be filled with these."""
        values = {**arguments, **arguments.get(self.others or "", {})}
        try:
            return _template(text).render({**values, **{k: arguments[k] for k in self.variables}})
        except jinja2.TemplateError as error:
            raise GraphError(f"the template of {self.name} cannot be filled: {error}") from error

    def __str__(self) -> str:
        return f"a jinja2 template that uses no variables but {_listed(self.variables)}"

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return pydantic.AfterValidator(self.check).__get_pydantic_core_schema__(str, handler)

    def __get_pydantic_json_schema__(self, schema: Any, handler: pydantic.GetJsonSchemaHandler) -> Any:
        return {**handler(schema), "description": str(self)}


def _check_function(fn: Any, role: str) -> None:
    if role not in ROLES:
        raise GraphError(f"a prompt is of the role {', '.join(ROLES[:-1])} or {ROLES[-1]}, not {role!r}")
    name = getattr(fn, "__qualname__", repr(fn))
    if not inspect.isfunction(fn) or not fn.__doc__:
        raise GraphError(
            f"{name} has no docstring, which is the template of a prompt: write it under the def "
            "(python -OO takes docstrings away)"
        )
    if inspect.iscoroutinefunction(fn):
        raise GraphError(f"{name} is async, and there is nothing to wait for in a prompt: write def")
    if fn.__code__.co_code != _documented.__code__.co_code:
        raise GraphError(f"{name} does more than its docstring says: what a prompt function does is not run")


def _documented() -> None:
    """The one thing that the body of a prompt has: a docstring."""


@functools.cache
def _environment() -> jinja2.Environment:
    # Without the optimizer nothing of a template is computed before it is filled.
    return jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, optimized=False
    )


@functools.lru_cache(maxsize=512)
def _template(text: str) -> jinja2.Template:
    return _environment().from_string(text)


def _used(tree: jinja2.nodes.Template) -> set[str]:
    """The variables that come from outside; `self`, which in jinja2 is the template, is none of ours."""
    named = {name.name for name in tree.find_all(jinja2.nodes.Name)}
    return jinja2.meta.find_undeclared_variables(tree) | (named & {"self"})


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{{{{ {name} }}}}" for name in names) or "none"


def _restored(module: str, qualname: str, learned: str | None) -> Any:
    """A prompt from a pickle: the one of that name, or a copy of it with another template."""
    found: Any = find(module, qualname)
    if learned is None or found.template._own == learned:
        return found
    made = found._copy()
    made.template._own = learned
    return made


def _rebuilt(fn: Any, role: str, trainable: bool, learned: str | None) -> Any:
    """A prompt from a pickle that no module holds by its name, around a function that one does."""
    made: Any = Prompt(fn, role, trainable)
    if learned is not None:
        made.template._own = learned
    return made
