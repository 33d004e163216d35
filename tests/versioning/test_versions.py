"""What a version holds, how long it is remembered, and that nothing is kept alive by it."""

from __future__ import annotations

import functools
import gc
import json
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest
import written

import tracelib as trace
from tracelib.versioning import Version, lexical_closure, version_of


def test_a_version_has_the_names_texts_and_values_of_its_function(tmp_path: Path) -> None:
    text = (
        "import json\nLIMIT = 3\nTABLE = {'a': 1}\n"
        "def helper():\n    return LIMIT\n"
        "def f():\n    # why\n    return helper(), TABLE, json\n"
    )
    version = written.version(tmp_path, text)
    assert version.name == f"{version.module}:f"
    assert version.qualname == "f"
    assert version.source == "def f():\n    # why\n    return helper(), TABLE, json"
    assert "def helper" in version.dependencies
    assert "def f" not in version.dependencies
    assert [part.name for part in version.parts] == ["f", "helper", "TABLE", "json", "LIMIT"]
    assert version.parts[0].uses == ("helper", "TABLE", "json")
    assert version.global_values == {"LIMIT": 3, "TABLE": "{'a': 1}"}
    assert version.state == ((version.module, "TABLE"),)
    assert (version.partial, version.why, version.libraries) == (False, (), {})


def test_a_version_survives_json(tmp_path: Path) -> None:
    version = written.version(tmp_path, "import numpy\nK = (1, 'a')\ndef f():\n    return numpy, K\n")
    again = Version.from_json(json.loads(json.dumps(version.to_json())))
    assert again == version
    assert again.closure == version.closure


def test_the_closure_puts_the_source_where_it_ran(tmp_path: Path) -> None:
    text = "TOOLS = []\ndef f():\n    return [tool.__name__ for tool in TOOLS]\nTOOLS.append(f)\n"
    version = written.version(tmp_path, text)
    assert version.source.startswith("def f")
    assert version.closure.index("def f") < version.closure.index("TOOLS.append(f)")
    assert written.ran(version) == ["f"]


def test_equal_closures_at_two_places_share_the_hash_and_keep_two_names(tmp_path: Path) -> None:
    text = "K = 1\ndef f():\n    return K\n"
    one, two = written.version(tmp_path / "a", text), written.version(tmp_path / "b", "# moved\n\n" + text)
    assert one.hash == two.hash
    assert one.name != two.name


def test_a_module_is_all_that_its_text_binds(tmp_path: Path) -> None:
    text = "import json\nLIMIT = 1\ndef f():\n    return json.dumps(g() + LIMIT)\ndef g():\n    return 1\n"
    shop = written.module(tmp_path, text)
    version = version_of(shop)
    assert (version.name, version.partial) == (f"{shop.__name__}:{shop.__name__}", False)
    assert [part.name for part in version.parts[1:]] == ["LIMIT", "f", "g", "json"]
    scope: dict[str, Any] = {}
    exec(version.closure, scope)
    assert scope["f"]() == "2"
    assert version_of(shop) is version
    shop.LIMIT = 2
    assert version_of(shop).hash != version.hash
    assert version_of(json).name == "json:json"


def test_an_installed_library_counts_with_its_version(tmp_path: Path) -> None:
    version = written.version(tmp_path, "import numpy as np\ndef f():\n    return np.zeros(1)\n")
    assert version.libraries == {"numpy": numpy.__version__}


def test_the_recorder_and_the_standard_library_count_by_name_only(tmp_path: Path) -> None:
    text = "import json\nimport tracelib as trace\n@trace.bundle\ndef f():\n    return json\n"
    assert written.version(tmp_path, text).libraries == {}


def test_the_recorded_functions_that_are_used_are_named_with_their_hashes(tmp_path: Path) -> None:
    text = (
        "import tracelib as trace\n"
        "@trace.bundle\ndef deep():\n    return 1\n"
        "@trace.bundle\ndef used():\n    return deep()\n"
        "def between():\n    return used()\n"
        "@trace.bundle\ndef f():\n    return between()\n"
    )
    module = written.module(tmp_path, text)
    (use,) = version_of(module.f).uses
    assert use.name == f"{module.__name__}:used"
    assert use.hash == version_of(module.used).hash
    assert [u.name for u in version_of(module.used).uses] == [f"{module.__name__}:deep"]


def test_recorded_functions_that_call_each_other_have_versions(tmp_path: Path) -> None:
    text = (
        "import tracelib as trace\n"
        "@trace.bundle\ndef a(n):\n    return b(n)\n"
        "@trace.bundle\ndef b(n):\n    return a(n)\n"
    )
    module = written.module(tmp_path, text)
    assert version_of(module.a).uses[0].hash == version_of(module.b).hash
    assert version_of(module.b).uses[0].hash == version_of(module.a).hash


def test_a_bundle_and_its_bound_method_have_the_version_of_their_function(tmp_path: Path) -> None:
    text = (
        "import tracelib as trace\n"
        "class A:\n    @trace.bundle(trainable=True)\n    def m(self):\n        return 1\n"
        "    @trace.bundle\n    def n(self):\n        return 2\n"
    )
    module = written.module(tmp_path, text)
    version = version_of(module.A.m)
    assert version.qualname == "A.m"
    assert version_of(module.A().m).hash == version.hash
    assert version_of(module.A.n).hash != version.hash


@pytest.mark.parametrize("target", [len, print, [].append, str, int, json.dumps, object(), 3, None])
def test_what_has_no_source_is_partial_and_never_an_error(target: Any) -> None:
    version = version_of(target)
    assert version.partial
    assert version.why
    assert version.hash.startswith("v1:")
    assert Version.from_json(json.loads(json.dumps(version.to_json()))) == version


def test_an_object_whose_own_attributes_raise_can_be_asked_about() -> None:
    class Hostile:
        @property
        def __dict__(self) -> Any:
            raise RuntimeError("touched")

        __wrapped__ = __func__ = __name__ = __dict__

    held = Hostile()

    def f() -> Any:
        return held

    assert version_of(held).hash.startswith("v1:")
    assert version_of(f).hash.startswith("v1:")


def test_many_threads_may_ask_at_once(tmp_path: Path) -> None:
    text = "K = 1\n" + "".join(f"def f{i}():\n    return K + {i}\n" for i in range(40))
    module = written.module(tmp_path, text)
    with ThreadPoolExecutor(max_workers=8) as pool:
        asked = [getattr(module, f"f{i % 40}") for i in range(400)]
        hashes = list(pool.map(lambda fn: version_of(fn).hash, asked))
    assert len(set(hashes)) == 40
    assert hashes[:40] * 10 == hashes


def test_a_partial_of_a_local_function_is_reproduced() -> None:
    def power(base: int, exponent: int) -> int:
        return int(base**exponent)

    version = version_of(functools.partial(power, 2))
    assert not version.partial
    assert written.ran(version, "power_partial(5)") == 32


def test_functions_inside_functions_are_reproduced_with_their_cells() -> None:
    model, table = "small", {"a": 1}

    def helper(x: int) -> tuple[int, str]:
        return x, model

    def even(n: int) -> bool:
        return True if n == 0 else odd(n - 1)

    def odd(n: int) -> bool:
        return False if n == 0 else even(n - 1)

    def f() -> tuple[Any, ...]:
        """Words

        that go on."""
        return helper(1), table, even(3)

    version = version_of(f)
    assert not version.partial
    assert version.free_values == {"model": "small", "table": "{'a': 1}"}
    assert written.ran(version) == f()


def test_a_counter_in_a_cell_is_state() -> None:
    count = 0

    def f() -> int:
        nonlocal count
        count += 1
        return count

    before = version_of(f)
    f()
    assert version_of(f).hash == before.hash
    assert (before.module, "count") in before.state
    assert written.ran(before, "(f(), f())") == (1, 2)


def test_the_value_of_a_cell_counts() -> None:
    def made(model: str) -> Any:
        def f() -> str:
            return model

        return f

    assert version_of(made("a")).hash == version_of(made("a")).hash
    assert version_of(made("a")).hash != version_of(made("b")).hash


def test_two_lambdas_on_one_line_are_two() -> None:
    one, two = [lambda x: x + 1, lambda x: x * 2]
    assert version_of(one).hash != version_of(two).hash
    assert "x * 2" in lexical_closure(two)


def test_an_unchanged_function_keeps_its_version_object(tmp_path: Path) -> None:
    module = written.module(tmp_path, "K = 1\ndef h():\n    return K\ndef f():\n    return h()\n")
    version = version_of(module.f)
    assert version_of(module.f) is version
    module.K = 2
    assert version_of(module.f).hash != version.hash
    module.K = 1
    assert version_of(module.f).hash == version.hash


def test_a_constant_of_another_module_is_watched(tmp_path: Path) -> None:
    module = written.module(tmp_path, "import watched\ndef f():\n    return watched.K\n", watched="K = 1\n")
    version = version_of(module.f)
    module.watched.K = 5
    assert version_of(module.f).hash != version.hash


def test_a_method_added_by_hand_is_a_new_version(tmp_path: Path) -> None:
    module = written.module(tmp_path, "def h():\n    return 1\ndef f():\n    return h()\n")
    version = version_of(module.f)
    module.f.__code__ = module.h.__code__
    assert version_of(module.f).hash != version.hash


def test_asking_keeps_nothing_alive(tmp_path: Path) -> None:
    scope: dict[str, Any] = {"__name__": "fleeting"}
    exec("def h():\n    return 1\nTABLE = [h]\ndef f():\n    return h(), TABLE\n", scope)
    version_of(scope["f"])
    gone = [weakref.ref(scope["f"]), weakref.ref(scope["h"])]
    scope.clear()
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_a_bundle_is_freed_with_its_last_reference() -> None:
    @trace.bundle
    def f(x: int) -> int:
        return x

    version_of(f)
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None


def test_an_object_that_runs_code_on_every_access_is_left_alone(tmp_path: Path) -> None:
    text = (
        "ran = []\n"
        "class Trap:\n"
        "    def _told(self, *a):\n        ran.append(1)\n        raise RuntimeError('touched')\n"
        "    __getattr__ = __eq__ = __hash__ = __repr__ = __iter__ = __len__ = __bool__ = _told\n"
        "    __instancecheck__ = __getitem__ = __reduce_ex__ = __str__ = __dir__ = _told\n"
        "    __class__ = property(_told)\n"
        "trap = Trap()\nheld = [trap]\n"
        "def f(x=trap):\n    return trap, held\n"
    )
    module = written.module(tmp_path, text)
    version_of(module.f)
    version_of(module.f)
    assert module.ran == []
