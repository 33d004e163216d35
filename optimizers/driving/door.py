"""Where model calls of a run pass: reserved in the budget, replayed from the journal, counted.

Every model asked through `tracelib.llm` inside `with guarded(meter):` passes here, whether a proposer
asks it or the program that is being trained.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping
from typing import Any

from optimizers.budget import Ledger
from optimizers.candidate import content_key
from optimizers.journal import Journal
from optimizers.rollout import Cost
from tracelib.errors import ModelCallError, OptimizerError, QuotaExceeded
from tracelib.llm.cost import most_dollars
from tracelib.llm.guard import Question
from tracelib.llm.reply import Reply

NO_ACCESS = (401, 403)
IMAGE_TOKENS = 50_000
"""What one image is taken for, however small its file: eight tiles of the dearest tiling are 48,169."""
ADDED = ("previous_response_id", "conversation")
"""Parameters by which the endpoint adds what was said before."""
LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


class Meter:
    """The guard of one job: what its model calls cost, and the first reason to stop the whole run.

    `refusal` is the budget's, and stays set although the program catches the error, so that a job which
    was cut short is never taken for one that ended. `hopeless` is an error of the endpoint that no
    further call would mend: no credit, no access.
    """

    def __init__(self, ledger: Ledger, journal: Journal, key: str) -> None:
        self.cost = Cost()
        self.refusal: Exception | None = None
        self.hopeless: Exception | None = None
        self._ledger = ledger
        self._journal = journal
        self._key = key
        self._lock = threading.Lock()

    def __call__(self, question: Question) -> Generator[Question, Reply, Reply]:
        key = self._key_of(question)
        kept = self._journal.take("call", key)
        if kept is not None:
            return self._replayed(Reply.from_json(kept))
        reserved = self._reserved(question)
        try:
            reply = yield question
        except BaseException as error:
            self._failed(reserved, error)
            raise
        self._ledger.settle(reserved, self._counted(reply))
        self._journal.append("call", key, reply.to_json(), self._ledger.elapsed)
        return reply

    def _key_of(self, question: Question) -> str:
        asked = [question.model, question.provider, question.messages, dict(question.params)]
        return content_key([self._key, _text(asked)])

    def _replayed(self, reply: Reply) -> Reply:
        try:
            self._ledger.charge(self._counted(reply))
        except Exception as error:
            self._refuse(error)
            raise
        return reply

    def _reserved(self, question: Question) -> dict[str, float]:
        try:
            self._ledger.check_deadline()
            amounts = needs(question, self._ledger)
            self._ledger.reserve(**amounts)
        except Exception as error:
            self._refuse(error)
            raise
        return amounts

    def _failed(self, reserved: dict[str, float], error: BaseException) -> None:
        """A call without a reply counts as a call; what it used beyond that nobody said."""
        self._ledger.release(**{kind: amount for kind, amount in reserved.items() if kind != "calls"})
        with self._lock:
            self.cost += Cost(calls=1)
            if isinstance(error, ModelCallError) and _is_hopeless(error):
                self.hopeless = error

    def _counted(self, reply: Reply) -> Cost:
        cost = Cost(1, reply.usage.total_tokens, reply.cost)
        with self._lock:
            self.cost += cost
        return cost

    def _refuse(self, error: Exception) -> None:
        with self._lock:
            self.refusal = self.refusal or error


def _is_hopeless(error: ModelCallError) -> bool:
    return isinstance(error, QuotaExceeded) or error.status in NO_ACCESS


def needs(question: Question, ledger: Ledger) -> dict[str, float]:
    """The most this question can use, of what the budget limits; raises OptimizerError when nobody can say.

    A token of text is at least one byte of the request, so its bytes bound the prompt's tokens; images are
    taken for the most that one can be. What the endpoint adds by itself nobody can bound.
    """
    amounts: dict[str, float] = {"calls": 1}
    budget = ledger.budget
    if budget.tokens is None and budget.dollars is None:
        return amounts
    prompt = _prompt_limit(question)
    completion = _completion_limit(question)
    if budget.tokens is not None:
        amounts["tokens"] = prompt + completion
    if budget.dollars is not None:
        amounts["dollars"] = _dollars(question, prompt, completion)
    return amounts


def _prompt_limit(question: Question) -> int:
    parts = [part for message in question.messages for part in _parts(message)]
    kinds = [part.get("type") for part in parts]
    added = ["a file"] if "file" in kinds else [name for name in ADDED if question.params.get(name)]
    if added:
        raise OptimizerError(
            f"a budget in tokens or dollars cannot be held where {question.model!r} is given {added[0]}: "
            "nobody can say beforehand how many tokens that is. Limit calls instead"
        )
    text = len(_text([question.messages, dict(question.params)]).encode())
    return text + IMAGE_TOKENS * kinds.count("image_url")


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def _completion_limit(question: Question) -> int:
    if question.params.get("api") == "embeddings":
        return 0  # there is no text in its reply
    limits = [int(question.params[name]) for name in LIMITS if question.params.get(name)]
    if not limits:
        raise OptimizerError(
            f"a budget in tokens or dollars needs a limit on each reply of {question.model!r}: "
            "give the model max_tokens="
        )
    return max(limits) * int(question.params.get("n") or 1)


def _dollars(question: Question, prompt: int, completion: int) -> float:
    dollars = most_dollars(question, prompt, completion)
    if dollars is None:
        raise OptimizerError(
            f"a budget in dollars needs the price of {question.model!r}: give the model its price per "
            "million tokens, or limit calls or tokens instead"
        )
    return dollars


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_named)


def _named(value: Any) -> str:
    """A stand-in for what JSON cannot hold, such as the class of a structured reply."""
    kind = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}:{kind.__qualname__}"
