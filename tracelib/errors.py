"""Every exception and warning of tracelib and its optimizers, in one tree.

TraceError
  GraphError
    ExecutionError        a recorded call failed; also an instance of the original's type
    InPlaceError          a recorded value would have been changed in place (also TypeError)
  ConstraintError         a Parameter refuses a value (also ValueError)
    SignatureError        code whose signature is not the original's
  StateError              saved parameters do not fit the program
  RenderError             a picture could not be drawn
  NoSourceError           source code that is needed is not there
  ModelError
    NoModelError          no model was named
    MessageError          what was given is not a message (also TypeError)
    ScriptEnded           a scripted model has no reply left
    CassetteError         a cassette cannot be read or written
      CassetteMiss        it holds no reply to what was asked; shows the difference
    TurnLimitReached      an agent still calls tools after its last turn; holds the conversation
    InvalidReply          a reply that is not what was asked for; quotes it
    ModelCallError        the endpoint failed: status, code, request_id, attempts
      RateLimited         429 that outlasted the retries
      QuotaExceeded       429 or 402 that no retry mends
      ModelTimeout        no answer in time
      ModelUnavailable    no connection, or a 5xx that outlasted the retries
      BadRequest          any other 4xx
      MalformedReply      an answer that is no chat completion (also InvalidReply)
  SandboxError            code could not be run in a sandbox
    SandboxUnavailable    this machine has no sandbox, or it cannot be started
    SandboxStopped        the code was stopped: time, memory, output; or what it needs cannot travel
  OptimizerError
    ProposalError         an unusable proposal; quotes the reply
    BudgetExhausted       nothing more may be spent
    JournalError          a journal belongs to another run or is damaged
  StoreError              the store cannot do what was asked
    FilterError           an expression that selects calls is not understood
    UnknownRecord         nothing is stored under that name or id
TraceWarning (UserWarning)
  MutationWarning         a call changed one of its arguments in place
  SearchStoppedWarning    the search for nodes in an argument stopped at its limit
  UnreachedWarning        feedback reached no parameter
  ShadowedWarning         a node's own attribute hides one of its value
  CacheWarning            a reply could not be kept, or a kept one not be read; the model is asked
  SandboxWarning          code that a model wrote runs in this process, as was allowed
  StoreWarning            the store is in trouble, or of a newer version; nothing recorded is lost by it
"""

from __future__ import annotations

from typing import Any


class TraceError(Exception):
    """Above every error of ours."""


class GraphError(TraceError):
    """Recording or reading a graph failed."""


class ExecutionError(GraphError):
    """A recorded call failed.

    `__cause__` is the original exception, `exception_node` the node that stands for the result.
    Where the original's memory layout allows, the error is an instance of its type as well, with
    its arguments and attributes, so that `except ValueError` around the call still works.
    """

    exception_node: Any


class InPlaceError(GraphError, TypeError):
    """A recorded value would have been changed in place."""


class ConstraintError(TraceError, ValueError):
    """A Parameter refuses a value; `parameter` and `value` say which.

    The message speaks to the programmer; `reason` is the part of it for whoever proposed the value.
    """

    def __init__(self, message: str, parameter: Any = None, value: Any = None, reason: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter
        self.value = value
        self.reason = reason or message


class SignatureError(ConstraintError):
    """Proposed code does not have the signature of the function it replaces."""


class StateError(TraceError):
    """Saved parameters do not fit the program they are loaded into."""


class RenderError(TraceError):
    """A picture could not be drawn."""


class NoSourceError(TraceError):
    """Source code that is needed is not there, such as the standard library's in a zipped Python."""


class ModelError(TraceError):
    """Asking a language model failed."""


class NoModelError(ModelError):
    """No model was named, and none is configured."""


class MessageError(ModelError, TypeError):
    """What was given cannot be a message of a chat."""


class ScriptEnded(ModelError):  # noqa: N818 - what happened, not what it is called
    """A scripted model was asked more often than its script has replies."""


class CassetteError(ModelError):
    """A cassette cannot be read or written."""


class CassetteMiss(CassetteError):  # noqa: N818
    """A cassette has no reply to a question; `difference` shows how it differs from the nearest it has."""

    def __init__(self, message: str, difference: str = "") -> None:
        super().__init__(message)
        self.difference = difference


class InvalidReply(ModelError):  # noqa: N818 - the seed's vocabulary: a reply, and what it is
    """A model's reply is not what was asked for; `reply` holds it whole.

    `request_id` is the endpoint's for that reply, `attempts` how often it was asked in all.
    """

    def __init__(
        self, message: str, reply: str = "", *, request_id: str | None = None, attempts: int = 1
    ) -> None:
        super().__init__(message)
        self.reply = reply
        self.request_id = request_id
        self.attempts = attempts


class TurnLimitReached(ModelError):  # noqa: N818 - what happened
    """An agent still called tools after its last turn; `conversation` holds all that was said."""

    def __init__(self, message: str, conversation: Any = None) -> None:
        super().__init__(message)
        self.conversation = conversation


class ModelCallError(ModelError):
    """The endpoint answered with an error, or not at all, after all attempts."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.attempts = attempts


class RateLimited(ModelCallError):  # noqa: N818
    """The endpoint kept answering 429."""


class QuotaExceeded(ModelCallError):  # noqa: N818
    """The account has no credit left; a retry would not help."""


class ModelTimeout(ModelCallError):  # noqa: N818
    """The endpoint did not answer in time."""


class ModelUnavailable(ModelCallError):  # noqa: N818
    """The endpoint could not be reached or kept failing."""


class BadRequest(ModelCallError):  # noqa: N818
    """The endpoint refused the request."""


class MalformedReply(ModelCallError, InvalidReply):  # noqa: N818
    """The endpoint answered, and not with a chat completion; `reply` holds the answer whole."""

    def __init__(
        self,
        message: str,
        reply: str = "",
        *,
        status: int | None = None,
        request_id: str | None = None,
        attempts: int = 1,
    ) -> None:
        ModelCallError.__init__(self, message, status=status, request_id=request_id, attempts=attempts)
        self.reply = reply


class SandboxError(TraceError):
    """Code could not be run in a sandbox."""


class SandboxUnavailable(SandboxError):  # noqa: N818 - what it is
    """This machine has no sandbox, or it could not be started."""


class SandboxStopped(SandboxError):  # noqa: N818 - what happened
    """Code in a sandbox was stopped, died, or needs what cannot travel there."""


class OptimizerError(TraceError):
    """An optimizer or trainer cannot go on."""


class ProposalError(OptimizerError):
    """A proposal cannot be used; `reply` holds the model's words, whole."""

    def __init__(self, message: str, reply: str = "") -> None:
        super().__init__(message)
        self.reply = reply


class BudgetExhausted(OptimizerError):  # noqa: N818
    """The budget does not cover the next step; nothing was spent on it."""


class JournalError(OptimizerError):
    """A journal cannot be resumed: it belongs to another run, or is damaged."""


class StoreError(TraceError):
    """The store cannot do what was asked."""


class FilterError(StoreError):
    """An expression that selects calls is not understood; the message shows where and what is known."""


class UnknownRecord(StoreError):  # noqa: N818 - what it is, as the other lookups have it
    """Nothing is stored under that name or id."""


class TraceWarning(UserWarning):
    """Above every warning of ours."""


class MutationWarning(TraceWarning):
    """A recorded call changed one of its arguments in place."""


class SearchStoppedWarning(TraceWarning):
    """The search for nodes inside an argument stopped at its limit."""


class UnreachedWarning(TraceWarning):
    """Feedback reached no parameter."""


class ShadowedWarning(TraceWarning):
    """A node's own attribute hides an attribute of its value."""


class CacheWarning(TraceWarning):
    """A reply could not be kept, or a kept one could not be read and is asked for again."""


class StoreWarning(TraceWarning):
    """The store is in trouble, or of a newer version; nothing that was recorded is lost by it."""


class SandboxWarning(TraceWarning):
    """Code that a model wrote runs in this process, with all its rights, as the user allowed."""
