"""Who uses whom, as a graph."""

from __future__ import annotations

from pathlib import Path

import pytest
import written

import tracelib as trace
from tracelib.versioning import version_of
from tracelib.versioning.dependencies import dependency_graph, used_first


@trace.bundle
def inner(x: int) -> int:
    return x + STEP


@trace.bundle
def outer(x: int) -> trace.Node[int]:
    return inner(x)


STEP = 2


def test_definitions_are_nodes_and_uses_are_edges(tmp_path: Path) -> None:
    text = "import helping\nK = 3\ndef f():\n    return helping.h() + K\n"
    version = written.version(tmp_path, text, helping="L = 4\ndef h():\n    return L\n")
    graph = dependency_graph([version])
    module = version.module
    assert set(graph.edges()) == {
        (version.name, "helping:h"),
        (version.name, f"{module}:K"),
        ("helping:h", "helping:L"),
    }
    assert graph.nodes["helping:h"]["kind"] == "function"
    assert graph.nodes[version.name]["version"] == version.hash
    assert graph.nodes["helping:L"]["version"] is None


def test_a_definition_that_two_functions_use_is_one_node(tmp_path: Path) -> None:
    module = written.module(tmp_path, "K = 1\ndef f():\n    return K\ndef g():\n    return K + f()\n")
    graph = dependency_graph([version_of(module.f), version_of(module.g)])
    assert len(graph) == 3
    assert graph.nodes[f"{module.__name__}:f"]["version"] == version_of(module.f).hash


def test_recorded_functions_that_use_each_other_have_an_edge_of_their_own() -> None:
    graph = dependency_graph([version_of(outer), version_of(inner)])
    name = version_of(outer).module
    assert ("calls" in graph[f"{name}:outer"][f"{name}:inner"]) is True


def test_of_equal_functions_in_two_modules_each_calls_its_own(tmp_path: Path) -> None:
    text = (
        "import tracelib as trace\n"
        "@trace.bundle\ndef h():\n    return 1\n"
        "@trace.bundle\ndef f():\n    return h()\n"
    )
    modules = [written.module(tmp_path / folder, text) for folder in ("a", "b")]
    graph = dependency_graph([version_of(fn) for module in modules for fn in (module.f, module.h)])
    calls = {(user, used) for user, used, kind in graph.edges(data="kind") if kind == "calls"}
    assert calls == {(f"{module.__name__}:f", f"{module.__name__}:h") for module in modules}


@pytest.mark.parametrize("count", [1, 3_000])
def test_what_is_used_comes_first(tmp_path: Path, count: int) -> None:
    chain = "".join(f"def h{i}():\n    return h{i + 1}()\n" for i in range(count))
    module = written.module(tmp_path, f"{chain}def h{count}():\n    return 1\n")
    order = used_first(dependency_graph([version_of(module.h0)]))
    assert [name.partition(":")[2] for name in order] == [f"h{i}" for i in range(count, -1, -1)]
