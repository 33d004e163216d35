"""Calls as people ask for them, and those who listen."""

from __future__ import annotations

import dataclasses
import time
import warnings

import pytest

import tracelib as trace
from tracelib import bundle, node
from tracelib.errors import TraceWarning


def parents(made):
    return [id(p) for p in made.parents]


def ids(*nodes):
    return [id(n) for n in nodes]


@bundle
def double(x):
    """Twice as much."""
    return 2 * x


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self):
        self.started, self.finished, self.updates, self.events = [], [], [], []

    def call_started(self, frame):
        self.started.append(frame)

    def call_finished(self, call):
        self.finished.append(call)

    def parameter_updated(self, update):
        self.updates.append(update)

    def event(self, name, data):
        self.events.append((name, data))


def test_a_call_has_an_id_clocks_and_a_caller():
    seen = {}

    @bundle
    def inner(x):
        time.sleep(0.01)
        return x

    @bundle
    def outer(x):
        seen["inner"] = inner(x)
        return 1

    before = time.time()
    call = outer(node(1)).call
    child = seen["inner"].call
    assert child.caller.id == call.id
    assert call.caller is None
    assert abs(call.start - before) < 1
    assert 0.01 <= child.duration <= call.duration < 5
    assert (call.output, call.error, call.inputs) == (1, None, {"x": 1})


def test_a_call_id_is_a_uuid_of_version_7_that_stays():
    import uuid

    call = double(1).call
    found = uuid.UUID(call.id)
    assert found.version == 7
    assert found.variant == uuid.RFC_4122
    assert abs((found.int >> 80) / 1000 - call.start) < 0.002
    assert double(1).call.id != call.id == call.id


def test_a_listener_hears_starts_finishes_failures_updates_and_events():
    from tracelib.graph.tracing import notify_event

    heard = Heard()
    parameter = node(1, trainable=True)

    @bundle
    def fails(x):
        raise ValueError(x)

    with trace.listening(heard):
        double(parameter)
        with pytest.raises(ValueError):
            fails(2)
        parameter.update(5, because="better")
        notify_event("score", value=1)
    double(3)
    assert [f.op.name for f in heard.started] == ["double", "fails"]
    assert [f.id for f in heard.started] == [c.id for c in heard.finished]
    assert [c.output for c in heard.finished] == [2, None]
    assert type(heard.finished[1].error) is ValueError
    assert [(u.old, u.new, u.because) for u in heard.updates] == [(1, 5, "better")]
    assert heard.events == [("score", {"value": 1})]


async def test_a_listener_hears_one_finish_for_each_start_of_streams():
    @bundle
    def items(n):
        yield from range(n)

    @bundle
    async def aitems(n):
        yield n

    @bundle
    async def later():
        return 1

    heard = Heard()
    with trace.listening(heard):
        list(items(2))
        [i async for i in aitems(1)]
        await later()
    assert [f.id for f in heard.started] == [c.id for c in heard.finished]
    assert [c.output for c in heard.finished] == [0, 1, None, 1, None, 1]


def test_a_failing_listener_is_warned_about_once_and_passed_over():
    @dataclasses.dataclass
    class Bad:
        """Neither hashable nor possible to reference weakly."""

        __slots__ = ()

        def call_started(self, frame):
            raise RuntimeError("deaf")

        call_finished = parameter_updated = event = call_started

    with trace.listening(Bad()), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [double(i).data for i in range(3)] == [0, 2, 4]
    assert [w.category for w in caught] == [TraceWarning]
    assert "deaf" in str(caught[0].message)


def test_what_a_listener_reads_is_not_read_by_the_running_call():
    secret = node(1)

    class Curious(Heard):
        def call_finished(self, call):
            secret.data, str(call.node), double(secret)

    @bundle
    def outer(x):
        double(x)
        return x

    with trace.listening(Curious()):
        made = outer(node(1))
    assert not any(n is secret for n in trace.Graph.behind(made).nodes)


def test_an_interrupted_call_leaves_no_running_call_behind():
    @bundle
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert double(1).call.caller is None
