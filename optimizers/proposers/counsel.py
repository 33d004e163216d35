"""The question that asks for texts instead of values: reasons, a summary, a description."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import StringConstraints

from optimizers.candidate import Advice
from optimizers.effects import Consult
from optimizers.proposers.prompt import Prompt
from optimizers.proposers.question import answered, question
from optimizers.proposers.reply import Form
from optimizers.proposers.sections import Section, fenced
from optimizers.roles import Messages, Talk
from tracelib.errors import InvalidReply

Words: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""A text that says something."""


@dataclass(frozen=True)
class CounselPrompt(Prompt):
    """A counsel that asks one question, and one more when its reply cannot be used."""

    form: ClassVar[type[Form]]

    def advise(self, request: Consult) -> Talk[Advice]:
        """The texts of the answer, or the problem that the second reply has."""
        try:
            answer, reply = yield from answered(self.messages(request), self.form)
        except InvalidReply as error:
            return Advice((), error.reply, str(error))
        return Advice(self.texts(answer), reply)

    def messages(self, request: Consult) -> Messages:
        """The question: what stays the same from call to call first, the record last."""
        return question(self.standing, fenced(list(self.sections(request))))

    @abstractmethod
    def sections(self, request: Consult) -> Iterable[Section]:
        """What is shown of a request."""

    @abstractmethod
    def texts(self, answer: Any) -> tuple[str, ...]:
        """The texts of an answer."""
