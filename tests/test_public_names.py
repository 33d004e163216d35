"""The public names are what the front doors list, and all of them can be had."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import optimizers
import tracelib

DOORS = [tracelib, optimizers]
HEAVY = ("openai", "networkx", "sqlalchemy", "graphviz", "pydantic", "numpy", "asyncio", "rich", "click")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_listed_name_can_be_imported(door: ModuleType) -> None:
    for name in door.__all__:
        assert getattr(door, name) is not None


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_dir_shows_the_listed_names(door: ModuleType) -> None:
    assert dir(door) == list(door.__all__)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_an_unknown_name_is_an_attribute_error(door: ModuleType) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        door.nonsense


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_public_object_has_a_docstring(door: ModuleType) -> None:
    for name in door.__all__:
        found = getattr(door, name)
        if not isinstance(found, str) and (inspect.isclass(found) or callable(found)):
            assert inspect.getdoc(found), name


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_type_checkers_see_the_same_names(door: ModuleType) -> None:
    source = inspect.getsource(door)
    for name in door.__all__:
        assert name.startswith("__") or f" as {name}\n" in source or f" as {name}  #" in source, name


def test_every_error_is_below_trace_error_and_in_the_tree() -> None:
    errors = importlib.import_module("tracelib.errors")
    classes = [c for c in vars(errors).values() if inspect.isclass(c) and c.__module__ == errors.__name__]
    assert classes
    for kind in classes:
        assert issubclass(kind, (errors.TraceError, errors.TraceWarning))
        assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("statement", ["import tracelib", "import optimizers"])
def test_importing_loads_no_heavy_third_party(statement: str) -> None:
    code = f"{statement}; import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_recording_loads_no_heavy_third_party() -> None:
    code = (
        "import tracelib as trace, sys\n"
        "f = trace.bundle(lambda x: x)\n"
        "p = trace.node(1, trainable=True)\n"
        "(f(p) + 1).backward('more')\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_writes_nothing(tmp_path: object) -> None:
    code = "import tracelib, optimizers, os; print(os.listdir('.'))"
    here = str(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=here)
    assert done.stdout.strip() == "[]"
