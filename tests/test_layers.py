"""Who may import whom: the table of the house, held against the imports in the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizers import result, trainer
from optimizers.pictures import sheet
from tracelib.graph.late import TABLE
from tracelib.llm import cost as llm_cost
from tracelib.llm import model as llm_model
from tracelib.store.late import TABLE as STORE

ROOT = Path(__file__).parent.parent

LOWEST = {"errors", "late", "modules", "parsing", "redaction"}
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "late": set(),
    "modules": set(),
    "parsing": set(),
    "redaction": {"errors"},
    "graph": LOWEST,
    "versioning": LOWEST,
    "llm": LOWEST,
    "feedback": LOWEST | {"graph"},
    "sandbox": LOWEST | {"graph", "versioning"},
    "store": LOWEST | {"graph", "versioning", "llm"},
    "programs": LOWEST | {"graph", "versioning", "llm"},
    "render": LOWEST | {"graph", "feedback", "versioning"},
    "testing": LOWEST | {"graph", "llm", "feedback"},
    "cli": LOWEST
    | {"graph", "llm", "feedback", "render", "testing", "store", "versioning", "programs", "sandbox"},
    "optimizers": LOWEST | {"graph", "feedback", "llm", "render", "versioning", "programs", "sandbox"},
}
"""Each room and the rooms it may import from; a room may always import from itself."""

THIRD_PARTIES = {
    "openai": {"llm"},
    "tenacity": {"llm"},
    "genai_prices": {"llm"},
    "networkx": {"graph", "versioning"},
    "graphviz": {"render"},
    "matplotlib": {"optimizers"},
    "jinja2": {"programs"},
    "pydantic": {"graph", "llm", "optimizers", "programs", "store"},
    "pydantic_core": {"graph", "llm", "optimizers", "store"},
    "sqlalchemy": {"store"},
    "psycopg": {"store"},
    "click": {"cli", "optimizers"},
    "rich": {"cli", "optimizers"},
    "optuna": {"optimizers"},
}
"""The rooms that a third party lives in."""

FRONT_DOOR = ("tracelib/__init__.py", "optimizers/__init__.py")
"""The lazy public names: they may name every room."""

PACKAGES = ("tracelib", "optimizers")
FILES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def room_of(path: Path) -> str:
    if path.parts[0] == "optimizers":
        return "optimizers"
    return path.parts[1].removesuffix(".py")


def room_of_module(module: str) -> str | None:
    first, _, rest = module.partition(".")
    if first == "optimizers":
        return "optimizers"
    return rest.split(".")[0] if first == "tracelib" and rest else None


def imports(path: Path) -> Iterator[tuple[str, bool, bool]]:
    """Each imported module, whether only for type checkers, and whether inside a function."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    late = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, id(node) in typing_only, id(node) in late
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            assert node.module is not None
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                module = whole if module_exists(whole) else node.module
                yield module, id(node) in typing_only, id(node) in late


def module_exists(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


@pytest.mark.parametrize("path", [p for p in FILES if str(p) not in FRONT_DOOR], ids=str)
def test_a_module_imports_only_from_the_layers_below_its_own(path: Path) -> None:
    room = room_of(path)
    for module, typing_only, _ in imports(path):
        other = room_of_module(module)
        if other is not None and other != room and room != "__main__" and not typing_only:
            assert other in LAYERS[room], f"{path} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_each_third_party_lives_in_its_rooms(path: Path) -> None:
    for module, typing_only, _ in imports(path):
        rooms = THIRD_PARTIES.get(module.split(".")[0])
        if rooms is not None and not typing_only:
            assert room_of(path) in rooms, f"{path} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_is_imported_inside_a_function(path: Path) -> None:
    late = [module for module, _, inside in imports(path) if inside]
    assert late == [], f"{path}: late imports belong into the table of tracelib/graph/late.py"


@pytest.mark.parametrize(
    "target",
    sorted(
        {
            *TABLE.values(),
            *llm_model.LATE.values(),
            *llm_cost.LATE.values(),
            *trainer.LATE.values(),
            *result.LATE.values(),
            *sheet.LATE.values(),
            *STORE.values(),
        }
    ),
)
def test_each_late_binding_leads_to_something(target: str) -> None:
    module, _, attribute = target.partition(":")
    found = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    names = {name for node in ast.parse(found.read_text(encoding="utf-8")).body for name in _bound(node)}
    assert attribute in names


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (t.id for t in node.targets if isinstance(t, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def test_every_room_is_in_the_table() -> None:
    assert {room_of(p) for p in FILES} - {"__init__", "__main__"} <= set(LAYERS)
