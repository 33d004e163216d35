"""Sizes: long chains, deep expressions, big values."""

from __future__ import annotations

from pathlib import Path

import pytest
import written
from steps import steps

from tracelib.versioning import version_of


def test_a_chain_of_5000_helpers_needs_no_recursion(tmp_path: Path) -> None:
    chain = "".join(f"def h{i}(x):\n    return h{i + 1}(x) + {i}\n" for i in range(5_000))
    version = written.version(tmp_path, f"{chain}def h5000(x):\n    return x\ndef f():\n    return h0(1)\n")
    assert len(version.parts) == 5_002
    assert not version.partial


def test_a_deep_expression_needs_no_recursion(tmp_path: Path) -> None:
    version = written.version(tmp_path, f"def f():\n    return {' + '.join(['1'] * 2_500)}\n")
    assert not version.partial
    assert written.ran(version) == 2_500


def test_modules_that_import_each_other_in_a_long_chain(tmp_path: Path) -> None:
    others = {f"link{i}": f"from link{i + 1} import g as h\ndef g():\n    return h()\n" for i in range(60)}
    others["link60"] = "def g():\n    return 'end'\n"
    version = written.version(tmp_path, "from link0 import g\ndef f():\n    return g()\n", **others)
    assert written.ran(version) == "end"


@pytest.mark.parametrize(
    "value", ["'ab' * 1_000_000", "tuple(range(300_000))", "tuple(str(i) for i in range(300_000))"]
)
def test_a_big_constant_counts_without_being_slow(value: str, tmp_path: Path) -> None:
    module = written.module(tmp_path, f"K = {value}\ndef f():\n    return len(K)\n")
    small = written.module(tmp_path, "K = 'ab'\ndef f():\n    return len(K)\n")
    version_of(written.module(tmp_path, "K = 'first'\ndef f():\n    return len(K)\n").f)
    assert steps(version_of, module.f) < 3 * steps(version_of, small.f)
    version = version_of(module.f)
    assert not version.partial
    assert len(str(version.global_values["K"])) < 3_000
    module.K = module.K[:-1]
    assert version_of(module.f).hash != version.hash


def test_a_big_container_without_definition_is_looked_at_in_part(tmp_path: Path) -> None:
    module = written.module(tmp_path, "def f():\n    return TABLE\n")
    module.TABLE = list(range(1_000_000))  # type: ignore[attr-defined]
    version = version_of(module.f)
    assert version.partial
    assert "TABLE" in version.why[0]


def test_thousands_of_names_are_no_slower_each(tmp_path: Path) -> None:
    def taken(count: int) -> int:
        text = "".join(f"def h{i}(x):\n    return x + {i}\n" for i in range(count))
        calls = "".join(f"    x = h{i}(x)\n" for i in range(count))
        module = written.module(tmp_path / str(count), f"{text}def f(x):\n{calls}    return x\n", old=True)
        return steps(version_of, module.f)

    assert taken(600) < 6 * taken(120)
