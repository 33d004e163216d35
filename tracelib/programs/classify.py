"""Classification: one of some labels, by a program, a prompt, or a text.

Where the endpoint biases tokens the labels are numbered and only their digits can be said; else the label is
asked for as an object that holds one of them.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pydantic

from tracelib.errors import BadRequest, GraphError, InvalidReply
from tracelib.llm.message import Message, assistant, plain, system, user
from tracelib.llm.model import Model
from tracelib.llm.reply import Reply
from tracelib.programs.asked import Asked
from tracelib.programs.program import Program
from tracelib.programs.question import Question, Turns
from tracelib.programs.template import Prompt

BIASED = re.compile(r"(gpt-3\.5|gpt-4|chatgpt-4o)(?!.*(audio|search|realtime))")
"""OpenAI's models that take `logit_bias`; those that reason first do not."""
ZERO = 15
"""The token of the digit 0 in all of OpenAI's vocabularies, which begin with the printable characters."""
SAID = (str, Message, Reply, Mapping, list, tuple)
"""What is said itself, and is no function of something."""
MOST = 10
"""Labels that one digit tells apart."""
SURE = 100
"""The bias with which nothing else is said."""


def classify(
    prompt: Any, labels: Any, model: Any = None, *, logit_bias: bool | None = None, **api_params: Any
) -> Any:
    """One of the labels, as a Text that came from the call: `classify("I love it", ["good", "bad"])`.

    A text, a message or a list of them is classified at once. For a program, a prompt or a function that
    returns what a program's does, it gives a classifier that is called in the same way. `labels` are texts,
    or an Enum, whose values are meant, or its names where a value is no text. A reply that is no label is
    asked again once, then InvalidReply is raised.

    `logit_bias` says whether the endpoint takes it, over the tokens of OpenAI; without it that is known of
    OpenAI's own models alone. `model` and `api_params` are those of `lm`.

    >>> classify("Bonjour !", ["English", "French"], model=lambda messages, **params: "French")
    'French'
    """
    asked, choice = Asked(model, None, api_params), Choice(names_of(labels), logit_bias)
    if isinstance(prompt, SAID):
        return _of_texts(asked, choice)(prompt)
    function = getattr(prompt, "__func__", prompt)
    if isinstance(function, Prompt):
        return _of_prompt(prompt, _of_texts(asked, choice))
    program = function if isinstance(function, Program) else Program(function, Asked())
    made = _choosing(program, program._asked.using(model, None, api_params), choice)
    return made if function is prompt else functools.partial(made, prompt.__self__)


@dataclass(frozen=True)
class Choice:
    """The labels to choose from, and whether by their numbers: None where the model decides."""

    names: tuple[str, ...]
    by_number: bool | None = None

    @functools.cached_property
    def kind(self) -> Any:
        """The class of a reply that holds one label."""
        one: Any = (Literal[self.names], ...)
        return pydantic.create_model("Label", __base__=_Label, label=one)

    def is_numbered(self, model: Model, given: Mapping[str, Any]) -> bool:
        """Whether this model can be held to the digits."""
        wanted = self.by_number
        if wanted is None:
            wanted = model.provider == "openai" and BIASED.match(model.name) is not None
        api = given.get("api", model.defaults.get("api"))
        return wanted and api in (None, "chat") and len(self.names) <= MOST

    @property
    def words(self) -> str:
        """What the model is told of the numbers."""
        listed = "\n".join(f"{number}: {name}" for number, name in enumerate(self.names))
        return f"Answer with nothing but the number of the label that fits:\n{listed}"

    @property
    def bias(self) -> dict[str, Any]:
        """The parameters that let only the digits be said."""
        tokens = {str(ZERO + number): SURE for number in range(len(self.names))}
        return {"logit_bias": tokens, "max_tokens": 1}

    def numbered(self, reply: Reply, attempts: int) -> list[str]:
        """The labels whose numbers a reply says; InvalidReply where one is none."""
        known = [str(number) for number in range(len(self.names))]
        wrong = next((text for text in reply.texts if text.strip() not in known), None)
        if wrong is not None:
            words = f"the reply {wrong!r} is not the number of a label:\n{self.words}"
            raise InvalidReply(words, wrong, request_id=reply.request_id, attempts=attempts)
        return [self.names[int(text)] for text in reply.texts]


class Classifier(Program):
    """A program whose result is one of some labels."""

    __slots__ = ("_choice", "_refused")

    def __init__(
        self, fn: Any, asked: Asked, choice: Choice, trainable: bool | str = False, **options: Any
    ) -> None:
        self._choice = choice
        self._refused: list[str] = []
        super().__init__(fn, asked, trainable, **options)

    def question(self, prompt: Any) -> Question:
        """What is asked for what the function returned: for a number, unless the endpoint refused that."""
        whole, choice = super().question(prompt), self._choice
        numbered = not self._refused and choice.is_numbered(self.model(), whole.given)
        given = {**whole.given, "response_format": choice.kind}
        return Choosing(
            whole.messages, given, False, whole.formats, choice, numbered=numbered, refused=self._refused
        )

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise GraphError(f"a classifier is not pickled: pickle {self.name}, and classify it where it is used")

    def _twin(self, asked: Asked) -> Classifier:
        return _choosing(self, asked, self._choice)


def _choosing(program: Program, settings: Asked, choice: Choice) -> Classifier:
    """The program, with the same name, versions and parameters, that chooses a label."""
    program.parts()  # makes the parameters that both share
    options = {k: v for k, v in program._options().items() if k != "trainable"}
    made = Classifier(program.fn, settings, choice, program.learns, **options)
    for name in ("_owner", "_descriptor", "_key", "_around", "_parameter", "_system", "_of", "op"):
        setattr(made, name, getattr(program, name))
    return made


@dataclass(frozen=True)
class Choosing(Question):
    """A question whose answer is a label; `refused` notes that the endpoint takes no bias."""

    choice: Choice = Choice(())
    numbered: bool = False
    refused: list[str] = field(default_factory=list)

    def turns(self) -> Turns:
        if self.numbered:
            try:
                return (yield from self._by_number())
            except BadRequest as error:
                if "logit_bias" not in str(error):
                    raise
                self.refused.append(str(error))
        return (yield from super().turns())

    def result(self, reply: Reply, parsed: list[Any] | None = None) -> Any:
        """The label that the object holds; a list of them for several."""
        return self.one_or_all([one.label for one in parsed or ()])

    def _by_number(self) -> Turns:
        messages = [*self.messages, system(self.choice.words)]
        params = {**self.choice.bias, **self.params}
        reply = yield messages, params
        try:
            found = self.choice.numbered(reply, reply.attempts)
        except InvalidReply as error:
            again = yield [*messages, assistant(error.reply), user(f"That cannot be used: {error}")], params
            found = self.choice.numbered(again, reply.attempts + again.attempts)
        return self.one_or_all(found)


class _Label(pydantic.BaseModel):
    """An object with a label; a label that stands alone, as small models answer, is one too."""

    model_config = pydantic.ConfigDict(extra="forbid")

    @classmethod
    def model_validate_json(cls, json_data: Any, **options: Any) -> Any:
        alone = str(json_data).strip().strip("\"'`.")
        known: Any = cls.model_fields["label"].annotation
        if alone in known.__args__:
            return cls.model_validate({"label": alone})
        return super().model_validate_json(json_data, **options)


def names_of(labels: Any) -> tuple[str, ...]:
    """The labels as texts. Raises GraphError where they are no list of different texts, or fewer than two."""
    if isinstance(labels, type) and issubclass(labels, enum.Enum):
        values = [member.value for member in labels]
        labels = values if all(isinstance(value, str) for value in values) else [one.name for one in labels]
    found = (
        [] if isinstance(labels, str) or not isinstance(labels, Iterable) else [plain(one) for one in labels]
    )
    texts = all(isinstance(one, str) and one.strip() for one in found)
    if len(found) < 2 or not texts or len(set(found)) < len(found):
        raise GraphError(f"labels are two or more different texts, or an Enum, not {labels!r}")
    return tuple(found)


def _of_texts(asked: Asked, choice: Choice) -> Classifier:
    """Chooses a label for whatever it is given."""
    return _choosing(Program(_said, Asked(), name="classify"), asked, choice)


def _said(prompt: Any) -> Any:
    return prompt


def _of_prompt(prompt: Prompt, classifier: Classifier) -> Any:
    @functools.wraps(prompt.fn)
    def classified(*args: Any, **kwargs: Any) -> Any:
        return classifier(prompt(*args, **kwargs))

    return classified
