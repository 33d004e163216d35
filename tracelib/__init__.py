"""Record programs that call language models as a graph; send feedback back through it; learn.

    import tracelib as trace

    agent = Agent()                        # a @trace.model with trainable nodes and bundles
    reply = agent("Hola, soy Juan.")       # ordinary Python, recorded as it runs
    reply.backward("Greet in Spanish")     # what was said reaches every parameter behind the reply

Names are loaded on first use; importing this package imports none of the third parties.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Call": "tracelib.graph.call",
    "Confinement": "tracelib.sandbox.confine",
    "ConstraintError": "tracelib.errors",
    "Conversation": "tracelib.programs.agent",
    "ExceptionNode": "tracelib.graph.node",
    "ExecutionError": "tracelib.errors",
    "Feedback": "tracelib.feedback.feedback",
    "Graph": "tracelib.graph.graph",
    "Listener": "tracelib.graph.tracing",
    "Message": "tracelib.llm.message",
    "Model": "tracelib.llm.model",
    "Module": "tracelib.graph.module",
    "Node": "tracelib.graph.node",
    "Origin": "tracelib.graph.origin",
    "Parameter": "tracelib.graph.parameter",
    "PostgresStore": "tracelib.store.store",
    "Remark": "tracelib.feedback.feedback",
    "Reply": "tracelib.llm.model",
    "Report": "tracelib.feedback.report",
    "SQLiteStore": "tracelib.store.store",
    "SandboxLimits": "tracelib.sandbox.sandbox",
    "Store": "tracelib.store.store",
    "Text": "tracelib.graph.node",
    "TraceError": "tracelib.errors",
    "TurnLimitReached": "tracelib.errors",
    "Update": "tracelib.graph.tracing",
    "aembed": "tracelib.programs.embed",
    "agent_loop": "tracelib.programs.agent",
    "annotate": "tracelib.graph.tracing",
    "assistant": "tracelib.llm.message",
    "audio": "tracelib.llm.media",
    "bind": "tracelib.graph.parameter",
    "bundle": "tracelib.graph.bundle",
    "cache": "tracelib.llm.cache",
    "classify": "tracelib.programs.classify",
    "complex": "tracelib.programs.program",
    "define_feedback": "tracelib.feedback.rules",
    "embed": "tracelib.programs.embed",
    "file": "tracelib.llm.media",
    "flush": "tracelib.store.store",
    "gather": "tracelib.programs.together",
    "getattr": "tracelib.graph.operators:get_attribute",
    "image": "tracelib.llm.media",
    "init": "tracelib.store.store",
    "is_tracing": "tracelib.graph.tracing",
    "lexical_closure": "tracelib.versioning",
    "listening": "tracelib.graph.tracing",
    "lm": "tracelib.programs.program",
    "model": "tracelib.graph.module",
    "node": "tracelib.graph.node",
    "origin": "tracelib.graph.origin",
    "pass_on": "tracelib.feedback.rules",
    "prompt": "tracelib.programs.template",
    "record": "tracelib.llm.cassette",
    "register_model": "tracelib.llm.registry",
    "replay": "tracelib.llm.cassette",
    "simple": "tracelib.programs.program",
    "stop_tracing": "tracelib.graph.tracing",
    "system": "tracelib.llm.message",
    "tool": "tracelib.programs.tool",
    "user": "tracelib.llm.message",
    "version_of": "tracelib.versioning",
    "wrap": "tracelib.graph.tracing",
}
"""Every public name and where it lives."""

__all__ = sorted([*_PUBLIC, "__version__"])

if TYPE_CHECKING:
    from tracelib.errors import ConstraintError as ConstraintError
    from tracelib.errors import ExecutionError as ExecutionError
    from tracelib.errors import TraceError as TraceError
    from tracelib.errors import TurnLimitReached as TurnLimitReached
    from tracelib.feedback.feedback import Feedback as Feedback
    from tracelib.feedback.feedback import Remark as Remark
    from tracelib.feedback.report import Report as Report
    from tracelib.feedback.rules import define_feedback as define_feedback
    from tracelib.feedback.rules import pass_on as pass_on
    from tracelib.graph.bundle import bundle as bundle
    from tracelib.graph.call import Call as Call
    from tracelib.graph.graph import Graph as Graph
    from tracelib.graph.module import Module as Module
    from tracelib.graph.module import model as model
    from tracelib.graph.node import ExceptionNode as ExceptionNode
    from tracelib.graph.node import Node as Node
    from tracelib.graph.node import Text as Text
    from tracelib.graph.node import node as node
    from tracelib.graph.operators import get_attribute as getattr  # noqa: F401
    from tracelib.graph.origin import Origin as Origin
    from tracelib.graph.origin import origin as origin
    from tracelib.graph.parameter import Parameter as Parameter
    from tracelib.graph.parameter import bind as bind
    from tracelib.graph.tracing import Listener as Listener
    from tracelib.graph.tracing import Update as Update
    from tracelib.graph.tracing import annotate as annotate
    from tracelib.graph.tracing import is_tracing as is_tracing
    from tracelib.graph.tracing import listening as listening
    from tracelib.graph.tracing import stop_tracing as stop_tracing
    from tracelib.graph.tracing import wrap as wrap
    from tracelib.llm.cache import cache as cache
    from tracelib.llm.cassette import record as record
    from tracelib.llm.cassette import replay as replay
    from tracelib.llm.media import audio as audio
    from tracelib.llm.media import file as file
    from tracelib.llm.media import image as image
    from tracelib.llm.message import Message as Message
    from tracelib.llm.message import assistant as assistant
    from tracelib.llm.message import system as system
    from tracelib.llm.message import user as user
    from tracelib.llm.model import Model as Model
    from tracelib.llm.model import Reply as Reply
    from tracelib.llm.registry import register_model as register_model
    from tracelib.programs.agent import Conversation as Conversation
    from tracelib.programs.agent import agent_loop as agent_loop
    from tracelib.programs.classify import classify as classify
    from tracelib.programs.embed import aembed as aembed
    from tracelib.programs.embed import embed as embed
    from tracelib.programs.program import complex as complex
    from tracelib.programs.program import lm as lm
    from tracelib.programs.program import simple as simple
    from tracelib.programs.template import prompt as prompt
    from tracelib.programs.together import gather as gather
    from tracelib.programs.tool import tool as tool
    from tracelib.sandbox.confine import Confinement as Confinement
    from tracelib.sandbox.sandbox import SandboxLimits as SandboxLimits
    from tracelib.store.store import PostgresStore as PostgresStore
    from tracelib.store.store import SQLiteStore as SQLiteStore
    from tracelib.store.store import Store as Store
    from tracelib.store.store import flush as flush
    from tracelib.store.store import init as init
    from tracelib.versioning import lexical_closure as lexical_closure
    from tracelib.versioning import version_of as version_of


def __getattr__(name: str) -> Any:
    where = _PUBLIC.get(name)
    if where is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = where.partition(":")
    found = globals()[name] = vars(importlib.import_module(module))[attribute or name]
    return found


def __dir__() -> list[str]:
    return list(__all__)
