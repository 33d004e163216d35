"""A model that says what it was told to say, asks nobody, and never hides that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from tracelib.errors import InvalidReply, ModelError, ScriptEnded
from tracelib.llm.cost import Prices
from tracelib.llm.guard import Question
from tracelib.llm.model import Model
from tracelib.llm.reply import Reply

Line = str | Reply | BaseException | Callable[[list[dict[str, Any]]], str | Reply]
"""A text or reply to give, an exception to raise, or a function of the messages that gives one."""


class ScriptedModel(Model):
    """Gives the lines of its script in order; a single function answers every question.

    `questions` keeps the messages of each question, `asked` the whole questions. Raises ScriptEnded when
    it is asked once more than it has lines. Its provider is always "scripted".

    >>> model = ScriptedModel(["yes", lambda messages: messages[-1]["content"].upper()])
    >>> model.ask("Ready?").text, model.ask("go").text
    ('yes', 'GO')
    """

    provider = "scripted"
    _of_this_process = ("_lock",)

    def __init__(
        self,
        replies: Sequence[Line] | Callable[[list[dict[str, Any]]], str | Reply],
        name: str = "scripted",
        *,
        prices: Prices | None = None,
        **defaults: Any,
    ) -> None:
        super().__init__(name, prices=prices, **defaults)
        if isinstance(replies, str):
            raise ModelError(f"the script is a list of replies: ScriptedModel([{replies!r}])")
        self.script: list[Line] | None = None if callable(replies) else list(replies)
        self._always = replies if callable(replies) else None
        self.asked: list[Question] = []

    def __repr__(self) -> str:
        left = (
            "answers always"
            if self.script is None
            else f"{max(0, len(self.script) - len(self.asked))} replies left"
        )
        return f"ScriptedModel(scripted, no model is asked: {left})"

    @property
    def questions(self) -> list[list[dict[str, Any]]]:
        """The messages of each question so far."""
        return [question.messages for question in self.asked]

    def answer(self, question: Question) -> Reply:
        line = self._next(question)
        if isinstance(line, BaseException):
            raise line
        said = line(question.messages) if callable(line) else line
        if isinstance(said, str):
            return Reply(str(said))
        if not isinstance(said, Reply):
            raise InvalidReply(f"the script gave {said!r}: give text or a Reply", repr(said))
        return said

    async def aanswer(self, question: Question) -> Reply:
        return self.answer(question)

    def _next(self, question: Question) -> Line:
        with self._lock:
            self.asked.append(question)
            if self.script is None:
                assert self._always is not None
                return self._always
            if len(self.asked) > len(self.script):
                last = question.messages[-1]["content"]
                raise ScriptEnded(
                    f"the script has {len(self.script)} replies, question {len(self.asked)} came: {last!r}. "
                    "Give a longer script, or one function that answers every question"
                )
            return self.script[len(self.asked) - 1]

    def _open(self) -> None:
        self._lock = threading.Lock()
