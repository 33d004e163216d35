"""Graphs made again from descriptions are the same graphs: names, edges, pictures, reports, evidence."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import gc
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import tracelib as trace
from optimizers.evidence.evidence import evidence_of
from tracelib.errors import ExecutionError, GraphError, SignatureError
from tracelib.graph.description import Applied, Parts, Ref, Seen, SeenOperator, SeenParameter
from tracelib.graph.rebuild import adopt, behind, described, rebuilt
from tracelib.graph.stored import StoredError, StoredParameter


@trace.bundle
def ask(system: Any, question: Any = "?", *more: Any, mood: str = "kind", **extra: Any) -> str:
    """Ask the model."""
    return f"{system} {question}"


@trace.bundle
def agent(question: Any) -> Any:
    """Ask twice."""
    first = ask(PROMPT, question)
    return ask(PROMPT, first + " Sure?", 0.9, x=first)


@trace.bundle
def fail(answer: Any) -> int:
    """Make a number of it."""
    return int(answer)


@trace.bundle
def failing_agent(answer: Any) -> Any:
    return fail(ask(answer)) + 1


@trace.bundle(trainable=True)
def greet(lang: Any, name: Any) -> str:
    """Say hello."""
    return {"en": "Hello", "es": "Hola"}[lang] + f", {name}!"


@trace.bundle
def choose(x: Any) -> Any:
    return "small" if x else PROMPT.data


@trace.bundle
def branching() -> Any:
    kept = ask("one")
    if kept == "two":
        return ask("three")
    return ask("four")


@trace.bundle
def counting(n: int) -> Any:
    for i in range(n):
        yield ask(i)


@trace.bundle
async def gently(x: Any) -> Any:
    await asyncio.sleep(0)
    return ask(x)


@trace.bundle
async def together(xs: Any) -> Any:
    return await asyncio.gather(*(gently(x) for x in xs))


@trace.bundle
def choir(texts: Any) -> Any:
    with ThreadPoolExecutor() as pool:
        parts = [pool.submit(trace.wrap(ask), text) for text in texts]
    return " ".join(part.result().data for part in parts)


@trace.model
class Agent:
    def __init__(self) -> None:
        self.system = "You are kind."
        self.prompt = trace.node("Decide.", trainable=True, constraint="one line")
        self.many = [trace.node(2, trainable=True), trace.node(3, name="three", trainable=True)]

    def __call__(self, query: Any) -> Any:
        return self.act(ask(self.system, self.prompt, query), self.many[0] * self.many[1])

    @trace.bundle(trainable=True)
    def act(self, reply: Any, times: int = 1) -> Any:
        """Act on a reply."""
        return str(reply) * times


@dataclasses.dataclass
class Note:
    text: Any
    tags: Any = ()


PROMPT = trace.node("Answer in one word.", name="prompt", trainable=True, description="what to do")


@pytest.fixture(autouse=True)
def nothing_said_before() -> None:
    PROMPT.zero_feedback()
    greet.parameter.zero_feedback()


def failed(fn: Callable[[], Any]) -> Any:
    with pytest.raises(ExecutionError) as raised:
        fn()
    return raised.value.exception_node


def learned() -> Any:
    """A parameter that changed between two uses: one old value, one present."""
    p = trace.node("old", name="p", trainable=True)
    first = ask(p)
    p.update("new")
    return ask(first, p)


def only_old() -> Any:
    p = trace.node("old", name="p", trainable=True)
    first = ask(p)
    p.update("new")
    return first


def bound() -> Any:
    p = trace.node(1, name="p", trainable=True)
    with trace.bind({p: 5}):
        made = p + 1
    return made * p


def shared_constant() -> Any:
    first = ask("x", 3)
    return ask(first.inputs["question"], [first.inputs["question"], first])


def chain(length: int) -> Any:
    value: Any = trace.node(0, name="start", trainable=True)
    for _ in range(length):
        value = value + 1
    return value


def nested_calls(depth: int) -> Any:
    @trace.bundle
    def down(n: int) -> Any:
        return PROMPT + "!" if n == 0 else down(n - 1)

    return down(depth)


def generated() -> Any:
    items = list(counting(3))
    return items[0] + items[2]


def inside_a_running_call() -> Any:
    kept: list[Any] = []
    trace.bundle(lambda: kept.append(ask(PROMPT) + "x") or 1, name="outer")()
    return kept[0]


GRAPHS: dict[str, Callable[[], Any]] = {
    "a leaf": lambda: trace.node(5, name="five", description="a number"),
    "a leaf without a name": lambda: trace.node([1, 2]),
    "a parameter": lambda: trace.node(5, name="five", trainable=True),
    "operations": lambda: -((trace.node(2, name="two") + 3) ** 2 / 4),
    "reflected": lambda: 10 - trace.node(3) * np.array([1.0, 2.0]),
    "text": lambda: (trace.node("a b") + "c").split()[1].upper() % (),
    "iteration": lambda: sum(trace.node([1, 2, 3])),
    "numpy": lambda: np.add(trace.node(np.arange(3)), 1),
    "attributes": lambda: trace.node(3 + 4j).real + trace.node({"a": 1})["a"],
    "a call": lambda: ask("be kind", trace.node("who?")),
    "keywords": lambda: ask("s", "q", 1, trace.node(2), mood="x", z=trace.node(3), y=4),
    "defaults": lambda: ask("s"),
    "calls in calls": lambda: agent(trace.node("Which?", name="question")),
    "a call that failed": lambda: failed(lambda: fail(ask(PROMPT))),
    "a failure in a call": lambda: failed(lambda: failing_agent(PROMPT)),
    "an operation that failed": lambda: failed(lambda: trace.node(1) / 0),
    "containers": lambda: ask([PROMPT, {"a": (trace.node(1), 2)}], Note(trace.node("t"), [PROMPT])),
    "a packed node": lambda: ask(trace.node([PROMPT, trace.node(2), 3], name="pack", description="several")),
    "an old value and the present": learned,
    "only an old value": only_old,
    "a bound value": bound,
    "code": lambda: greet(trace.node("en"), "Ann"),
    "a module": lambda: Agent()("hello"),
    "reads": lambda: choose(trace.node(0)),
    "a branch": branching,
    "a generator": generated,
    "tasks": lambda: asyncio.run(together([1, 2, 3])),  # type: ignore[arg-type]
    "threads": lambda: choir(["la", "lo", "li"]),
    "a constant used twice": shared_constant,
    "a constant alone": lambda: ask("x", 3).inputs["question"],
    "a callable": lambda: trace.node(str.upper)("x"),
    "a call from outside": inside_a_running_call,
    "detached": lambda: ask(PROMPT).detach() + "x",
    "a copy": lambda: ask(copy.copy(one := ask(PROMPT)), one),
    "many calls deep": lambda: nested_calls(40),
    "a minibatch": lambda: sum(len(agent(f"q{i}")) * trace.node(1) + 0 for i in range(3)),
}


def edges(graph: trace.Graph) -> Any:
    return [(graph.name(e.source), graph.name(e.target), e.name, e.kind) for e in graph.edges]


def nodes(graph: trace.Graph) -> Any:
    return [
        (graph.name(n), repr(n._data), type(n).__name__.replace("Stored", ""), str(n._op), n.description)
        for n in graph.ordered
    ]


def callers(graph: trace.Graph) -> Any:
    return [(graph.name(n), (c := graph.caller(n)) and graph.name(c)) for n in graph.ordered]


@pytest.mark.parametrize("name", GRAPHS)
def test_a_rebuilt_graph_has_the_same_names_values_edges_and_picture(name: str) -> None:
    original = GRAPHS[name]()
    before, dot = nodes(trace.Graph.behind(original)), str(trace.Graph.behind(original).to_dot())
    made = rebuilt(behind(original))
    assert nodes(trace.Graph.behind(made)) == before
    assert edges(trace.Graph.behind(made)) == edges(trace.Graph.behind(original))
    assert callers(trace.Graph.behind(made)) == callers(trace.Graph.behind(original))
    assert str(trace.Graph.behind(made).to_dot()) == dot
    assert nodes(trace.Graph.behind(original)) == before


@pytest.mark.parametrize("name", GRAPHS)
def test_describing_before_anybody_looked_gives_the_same_graph(name: str) -> None:
    original = GRAPHS[name]()
    made = rebuilt(list(behind(original)))
    assert nodes(trace.Graph.behind(made)) == nodes(trace.Graph.behind(original))
    assert edges(trace.Graph.behind(made)) == edges(trace.Graph.behind(original))


@pytest.mark.parametrize("name", GRAPHS)
def test_a_rebuilt_graph_is_described_as_it_was(name: str) -> None:
    def shape(output: Any) -> list[Any]:
        return [
            dataclasses.replace(one, order=0, data=repr(one.data), applied=without_clock(one))
            for one in behind(output)
            if isinstance(one, Seen)
        ]

    def without_clock(one: Seen) -> Any:
        if one.applied is None:
            return None
        shown = tuple((name, repr(kept)) for name, kept in one.applied.operands)
        return dataclasses.replace(one.applied, start=None, operands=shown)

    original = GRAPHS[name]()
    assert shape(rebuilt(behind(original))) == shape(original)


@pytest.mark.parametrize("name", GRAPHS)
def test_feedback_reaches_the_parameters_of_the_same_names(name: str) -> None:
    original = GRAPHS[name]()
    made = rebuilt(behind(original))
    with contextlib.suppress(trace.TraceError), pytest.warns() if unreached(original) else no_warning():
        report = made.backward("could be better")
        expected = original.backward("could be better")
        assert [p.name for p in report.reached] == [p.name for p in expected.reached]
        assert all(isinstance(p, StoredParameter) for p in report.reached)
        assert all(p.feedback.text == "could be better" for p in report.reached)


def unreached(output: Any) -> bool:
    return not trace.Graph.behind(output).parameters or not output_reaches(output)


def output_reaches(output: Any) -> bool:
    from_all = trace.Graph.behind(output)
    return any(from_all.of_parameter(n) is not None for n in from_all.nodes)


def no_warning() -> Any:
    return contextlib.nullcontext()


@pytest.mark.parametrize("name", GRAPHS)
def test_the_evidence_for_an_optimizer_is_the_same(name: str) -> None:
    original = GRAPHS[name]()
    made = rebuilt(behind(original))
    first, second = trace.Graph.behind(original), trace.Graph.behind(made)
    found = [
        dataclasses.asdict(evidence_of(graph, "bad", {p.name: p for p in graph.parameters}))
        for graph in (first, second)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", GRAPHS)
def test_calls_keep_their_ids_clocks_and_callers(name: str) -> None:
    original = GRAPHS[name]()
    made = rebuilt(behind(original))
    pairs = zip(trace.Graph.behind(original).ordered, trace.Graph.behind(made).ordered, strict=True)
    for one, other in pairs:
        assert (one.call is None) == (other.call is None)
        if one.call is not None:
            assert other.call.id == one.call.id
            assert other.call.duration == one.call.duration
            assert other.call.start == pytest.approx(one.call.start, abs=1e-3)
            assert repr(list(other.call.inputs)) == repr(list(one.call.inputs))
            assert (one.call.caller is None) == (other.call.caller is None)
            if one.call.caller is not None:
                assert other.call.caller.id == one.call.caller.id
    assert trace.origin(made).ids == trace.origin(original).ids
    assert made.__origin_trace__ == original.__origin_trace__


def test_rebuilding_needs_nothing_of_the_original() -> None:
    out = agent(trace.node("Which?"))
    description = pickle.loads(pickle.dumps(list(behind(out))))
    expected = edges(trace.Graph.behind(out))
    del out
    assert edges(trace.Graph.behind(rebuilt(description))) == expected


@pytest.mark.parametrize("name", [n for n in GRAPHS if n not in ("a callable", "only an old value")])
@pytest.mark.parametrize("how", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_rebuilt_graph_can_be_copied_and_pickled(name: str, how: Any) -> None:
    made = rebuilt(behind(GRAPHS[name]()))
    again = how(made)
    assert nodes(trace.Graph.behind(again)) == nodes(trace.Graph.behind(made))
    assert edges(trace.Graph.behind(again)) == edges(trace.Graph.behind(made))


def test_what_is_made_from_a_rebuilt_node_comes_after_it() -> None:
    out = ask(rebuilt(behind(agent("q"))), "more")
    graph = trace.Graph.behind(out)
    assert [p.name for p in out.backward("x").reached] == ["prompt"]
    assert graph.ordered[-1] is out


def test_places_of_another_process_do_not_matter() -> None:
    far = [
        dataclasses.replace(one, order=one.order * 3 + 10**15)
        if isinstance(one, Seen)
        else dataclasses.replace(one, place=one.place * 3 + 10**15)
        for one in behind(agent("q"))
    ]
    assert edges(trace.Graph.behind(rebuilt(far))) == edges(trace.Graph.behind(agent("q")))


def test_any_described_node_can_be_the_output() -> None:
    out = agent("q")
    inner = out.parents[-1]
    key = next(one.key for one in behind(out) if isinstance(one, Seen) and one.key == inner.call.id)
    made = rebuilt(behind(out), key)
    assert made.call.id == inner.call.id


def test_an_unknown_key_is_refused_with_the_node_that_needs_it() -> None:
    descriptions = list(behind(agent("q")))
    with pytest.raises(GraphError, match="no node with the key 'nonsense'"):
        rebuilt(descriptions, "nonsense")
    with pytest.raises(GraphError, match="which was made from it"):
        rebuilt([one for one in descriptions if not (isinstance(one, Seen) and one.kind == "reading")])
    with pytest.raises(GraphError, match="nothing to rebuild"):
        rebuilt([])


def test_a_graph_can_be_written_by_hand_as_a_store_does() -> None:
    prompt = SeenParameter("prompt", path="prompt", program="shop:Agent", constraint="one line")
    op = SeenOperator("ask", "shop:ask", "Ask the model.", "lm")
    upper = SeenOperator("upper", native=True)
    call = "01a2137c-fa00-7000-8000-000000000001"
    made = rebuilt(
        [
            Seen("p", "reading", 1, "Be brief.", parameter=prompt),
            Seen("q", "leaf", 2, "Who?", name="question"),
            Seen(
                call, "result", 3, "Me.", applied=Applied(
                    op, (("system", Ref("p")), ("parts", Parts(["Who?"], (("[0]", "q"),))), ("n", 3)),
                    call=call.replace("-", ""), start=1_700_000_000.0, duration=0.5,
                ),
            ),
            Seen("u", "operation", 4, "ME.", applied=Applied(upper, (("x", Ref(call)),))),
        ]
    )  # fmt: skip
    assert made == "ME."
    assert made.__origin_trace__ == {call}
    reply = made.parents[0]
    assert (reply.call.start, reply.call.duration) == (pytest.approx(1_700_000_000.0), 0.5)
    assert list(reply.inputs) == ["system", "parts[0]", "n"]
    assert reply.description == "Ask the model."
    assert made.backward("bad").reached[0].program == "shop:Agent"


# Stand-ins


def test_a_stored_parameter_knows_what_was_known_and_runs_nothing() -> None:
    report = rebuilt(behind(Agent()("hello"))).backward("bad")
    prompt, code = (next(p for p in report.reached if p.name == name) for name in ("prompt", "act"))
    assert (prompt.data, prompt.program, prompt.constraint) == ("Decide.", f"{__name__}:Agent", "one line")
    assert code.is_code
    assert code.original == code.data
    assert code.original.startswith("def act(")
    with pytest.raises(SignatureError, match="read from a store"):
        code.update("def act(self, reply, times=1): return 1")
    prompt.update("Another.")
    assert prompt.data == "Another."


def test_the_program_of_a_parameter_is_that_of_its_outermost_module() -> None:
    @trace.model
    class Outer:
        def __init__(self) -> None:
            self.agent = Agent()
            self.own = trace.node(1, trainable=True)

    named = Outer().named_parameters()
    assert named["agent.prompt"].program == f"{__name__}:{Outer.__qualname__}"
    assert named["own"].program == f"{__name__}:{Outer.__qualname__}"
    assert Agent().prompt.program == f"{__name__}:Agent"
    assert Agent().named_parameters()["act"].program == f"{__name__}:Agent"
    assert greet.parameter.program == f"{__name__}:greet"
    assert PROMPT.program is None
    assert copy.deepcopy(Agent()).prompt.program == f"{__name__}:Agent"
    assert pickle.loads(pickle.dumps(Agent())).prompt.program == f"{__name__}:Agent"


class Odd(Exception):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)

    def __str__(self) -> str:
        return "an odd one"


ERRORS: list[Callable[[], Any]] = [
    lambda: int("x"), lambda: {}["k"], lambda: 1 / 0, lambda: open("/nowhere/at/all"), lambda: [][0],
    lambda: b"\xff".decode(), lambda: (_ for _ in ()).throw(Odd(1, "x")), lambda: None.nothing,  # type: ignore[attr-defined]
    lambda: (_ for _ in ()).throw(ExceptionGroup("many", [ValueError("a")])),
    lambda: (_ for _ in ()).throw(MemoryError("full")), lambda: (_ for _ in ()).throw(ValueError()),
]  # fmt: skip


@pytest.mark.parametrize("run", ERRORS)
def test_a_stored_exception_has_the_name_and_the_words_of_the_original(run: Any) -> None:
    node = failed(lambda: trace.bundle(run, name="run")())
    made = rebuilt(behind(node))
    original, error = node.exception, made.exception
    assert isinstance(error, StoredError)
    assert type(error).__name__ == type(original).__name__
    assert type(error).__module__ == type(original).__module__
    assert str(error) == str(original)
    assert made.data == node.data
    if type(original).__module__ == "builtins" and not isinstance(original, (ExceptionGroup, MemoryError)):
        assert isinstance(error, type(original))


def test_feedback_rules_of_the_running_program_hold_for_its_stored_calls() -> None:
    @trace.bundle
    def first(a: Any, b: Any) -> Any:
        return a

    globals()["first_of_two"] = first
    first.op.fn.__qualname__ = "first_of_two"
    a, b = trace.node(1, name="a", trainable=True), trace.node(2, name="b", trainable=True)
    made = rebuilt(behind(first(a, b)))
    assert [p.name for p in made.backward("x").reached] == ["a", "b"]
    trace.define_feedback(first, lambda node, feedback: {"a": feedback})
    assert [p.name for p in made.backward("x").reached] == ["a"]
    del globals()["first_of_two"]
    assert [p.name for p in rebuilt(behind(first(a, b))).backward("x").reached] == ["a", "b"]


def test_one_node_is_described_by_the_keys_of_its_parents() -> None:
    a = trace.node(1, name="a")
    out = ask(a, 2)
    one = described(out, lambda n: f"key of {n._data}")
    assert one.applied is not None
    assert one.applied.operands == (("system", Ref("key of 1")), ("question", 2), ("mood", "kind"))
    assert (one.kind, one.data, one.applied.call) == ("result", "1 2", out.call.id)


# Adoption


def live(program: str | None = None, **given: Any) -> Any:
    made = trace.node("now", trainable=True, **given)
    made._program = program
    return made


def stored(path: str | None, name: str | None, program: str | None, is_code: bool = False) -> Any:
    about = SeenParameter("p", name, path, program, is_code=is_code, original="x" if is_code else None)
    applied = Applied(SeenOperator("upper", native=True), (("x", Ref("r")),))
    return rebuilt(
        [Seen("r", "reading", 1, "then", parameter=about), Seen("u", "operation", 2, "THEN", applied=applied)]
    )


def test_a_live_parameter_hears_in_place_of_the_stored_one_and_the_record_keeps_its_value() -> None:
    p = live(name="prompt")
    out = stored(None, "prompt", None)
    assert adopt(out, [live(name="other"), p]) == ()
    assert out.backward("bad").reached == [p]
    assert p.feedback.text == "bad"
    assert out.parents == [p]
    assert out.inputs["x"].data == "then"
    assert p.data == "now"


@pytest.mark.parametrize(
    ("path", "name", "program"),
    [
        ("a.prompt", None, "m:A"), (None, "a.prompt", None), ("a.prompt", "mine", None),
        ("zzz", "a.prompt", "m:A"),
    ],
)  # fmt: skip
def test_a_counterpart_has_the_path_or_the_name(path: Any, name: Any, program: Any) -> None:
    p = live("m:A")
    p._path = "a.prompt"
    assert adopt(stored(path, name, program), [p]) == ()


@pytest.mark.parametrize(
    ("path", "name", "program", "is_code"),
    [
        ("a.prompt", None, "m:B", False), ("other", None, "m:A", False), (None, "other", None, False),
        ("a.prompt", None, "m:A", True), (None, None, "m:A", False),
    ],
)  # fmt: skip
def test_another_program_another_name_or_code_is_no_counterpart(
    path: Any, name: Any, program: Any, is_code: bool
) -> None:
    p = live("m:A")
    p._path = "a.prompt"
    assert len(adopt(stored(path, name, program, is_code), [p])) == 1


def test_where_several_fit_none_is_taken() -> None:
    assert adopt(stored(None, "prompt", None), [live(name="prompt"), live(name="prompt")]) == ("prompt",)
    assert adopt(stored(None, "prompt", None), []) == ("prompt",)


def test_a_value_that_is_still_held_is_shown_as_the_parameter() -> None:
    p = trace.node("then", name="prompt", trainable=True)
    out = stored(None, "prompt", None)
    adopt(out, [p])
    assert out.inputs["x"] is p
    assert [n.name for n in trace.Graph.behind(out).ordered if n.op is None] == ["prompt"]


def test_a_parameter_that_is_younger_than_the_rebuilt_graph_keeps_its_order() -> None:
    out = stored(None, "prompt", None)
    p = trace.node("then", name="prompt", trainable=True)
    adopt(out, [p])
    graph = trace.Graph.behind(out)
    assert graph.nodes[-1] is out
    assert out.backward("x").reached == [p]


def test_a_graph_without_stored_parameters_is_left_alone() -> None:
    p = live(name="prompt")
    out = live(name="prompt") + "!"
    assert adopt(out, [p]) == ()
    assert out.parents[0] is not p


def test_several_readings_of_one_parameter_are_adopted_together() -> None:
    out = rebuilt(behind(learned()))
    p = live(name="p")
    assert adopt(out, [p]) == ()
    assert out.backward("x").reached == [p]
    assert [n._data for n in trace.Graph.behind(out).nodes if n._parameter is p] == ["old", "new"]


# Size


def test_a_long_chain_is_described_and_rebuilt_without_recursion() -> None:
    made = rebuilt(behind(chain(100_000)))
    assert made.data == 100_000
    assert [p.name for p in made.backward("x").reached] == ["start"]


def test_deep_calls_are_described_and_rebuilt_without_recursion() -> None:
    out = nested_calls(300)
    assert callers(trace.Graph.behind(rebuilt(behind(out)))) == callers(trace.Graph.behind(out))


def test_a_rebuilt_graph_is_freed_with_its_output() -> None:
    out = rebuilt(behind(agent(trace.node("q"))))
    inner = weakref.ref(out.parents[-1])
    parameter = weakref.ref(trace.Graph.behind(out).parameters[0])
    gc.disable()
    try:
        del out
        assert inner() is None
        assert parameter() is None
    finally:
        gc.enable()
