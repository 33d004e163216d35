"""Doubles of the world, for users' tests too: a scripted model, and a real HTTP server on loopback."""

from __future__ import annotations

from tracelib.testing.answers import Answer, Cut, Empty, Fails, Garbled, Request, Resets, Says, calls_tool
from tracelib.testing.scripted import ScriptedModel
from tracelib.testing.server import LoopbackServer

__all__ = [
    "Answer",
    "Cut",
    "Empty",
    "Fails",
    "Garbled",
    "LoopbackServer",
    "Request",
    "Resets",
    "Says",
    "ScriptedModel",
    "calls_tool",
]
