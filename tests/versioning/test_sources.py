"""Where code can live: files, zips, notebook cells, exec, standard input, rewritten and edited files."""

from __future__ import annotations

import importlib
import linecache
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
import written
from IPython.core.interactiveshell import InteractiveShell

import tracelib as trace
from tracelib.versioning import lexical_closure, version_of

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def shell() -> InteractiveShell:
    return InteractiveShell()


def run(*arguments: str, text: str = "", cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        input=text,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_helper_redefined_in_a_later_cell_is_a_new_version(shell: InteractiveShell) -> None:
    shell.run_cell("K = 'a'\nTABLE = {'x': 'one'}\ndef helper():\n    return K\n")
    shell.run_cell("def f():\n    return helper(), TABLE['x']\n")
    f = shell.user_ns["f"]
    first = version_of(f)
    assert "def helper" in first.closure
    assert "'one'" in first.closure
    assert not first.partial
    shell.run_cell("def helper():\n    return K + '!'\n")
    second = version_of(f)
    assert second.hash != first.hash
    assert "K + '!'" in second.closure
    shell.run_cell("K = 'b'")
    assert version_of(f).hash not in (first.hash, second.hash)
    shell.run_cell("TABLE = {'x': 'two'}")
    fourth = version_of(f)
    assert "'two'" in fourth.closure
    assert "'one'" not in fourth.closure
    assert written.ran(fourth) == ("b!", "two")


@pytest.mark.parametrize("history", [True, False])
def test_a_name_bound_anew_in_a_later_cell_leaves_a_default_as_it_was(
    shell: InteractiveShell, history: bool
) -> None:
    shell.run_cell("K = 'a'", store_history=history)
    shell.run_cell("def f(x=K):\n    return x\n", store_history=history)
    first = version_of(shell.user_ns["f"])
    shell.run_cell("K = 'b'", store_history=history)
    if history:
        assert version_of(shell.user_ns["f"]).hash == first.hash
        assert written.ran(version_of(shell.user_ns["f"])) == "a"
    shell.run_cell("def f(x=K):\n    return x\n", store_history=history)
    assert version_of(shell.user_ns["f"]).hash != first.hash


def test_a_cell_that_ran_again_unchanged_ran_last(shell: InteractiveShell) -> None:
    def name_by_text(raw_cell: str, *_: object) -> str:
        return f"<ipython-input-{raw_cell.encode().hex()}>"

    shell.compile.get_code_name = name_by_text
    cells = ["K = 'a'", "def f(x=K):\n    return x\n", "K = 'b'", "def f(x=K):\n    return x\n"]
    for cell in cells:
        shell.run_cell(cell, store_history=True)
    assert shell.user_ns["f"]() == "b"
    assert written.ran(version_of(shell.user_ns["f"])) == "b"


def test_cells_of_another_notebook_are_not_taken_for_its_own() -> None:
    one, two = InteractiveShell(), InteractiveShell()
    one.run_cell("TABLE = {'x': 'one'}\ndef f():\n    return TABLE\n", store_history=True)
    two.run_cell("TABLE = {'x': 'two'}\ndef f():\n    return TABLE\n", store_history=True)
    assert written.ran(version_of(one.user_ns["f"])) == {"x": "one"}
    assert written.ran(version_of(two.user_ns["f"])) == {"x": "two"}


def test_a_cell_that_is_run_again_unchanged_is_the_same_version(shell: InteractiveShell) -> None:
    shell.run_cell("def f():\n    return 1\n")
    first = version_of(shell.user_ns["f"])
    shell.run_cell("def f():\n    return 1  # again\n")
    assert version_of(shell.user_ns["f"]).hash == first.hash


def test_a_class_of_a_cell_is_found(shell: InteractiveShell) -> None:
    shell.run_cell("class A:\n    x = 'v1'\n    def m(self):\n        return self.x\n")
    assert "x = 'v1'" in lexical_closure(shell.user_ns["A"])


def test_code_in_a_zip_is_read_from_there(tmp_path: Path) -> None:
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped.py", "K = 'v1'\ndef f():\n    return K\n")
    sys.path.insert(0, str(archive))
    try:
        version = version_of(importlib.import_module("zipped").f)
    finally:
        sys.path.remove(str(archive))
    assert not version.partial
    assert written.ran(version) == "v1"


def test_code_from_exec_counts_by_its_bytecode_and_says_so() -> None:
    def defined(text: str) -> dict[str, object]:
        scope: dict[str, object] = {"__name__": "made"}
        exec(text, scope)
        return scope

    one = version_of(defined("def h():\n    return 1\ndef f():\n    return h()\n")["f"])
    same = version_of(defined("def h():\n    return 1\ndef f():\n    return h()\n")["f"])
    other = version_of(defined("def h():\n    return 2\ndef f():\n    return h()\n")["f"])
    assert one.partial
    assert "f: its source text is not to be had" in one.why
    assert one.hash == same.hash
    assert one.hash != other.hash


def test_generated_code_in_linecache_has_a_source() -> None:
    text = "K = 'v1'\ndef f():\n    return K\n"
    linecache.cache["<generated 1>"] = (len(text), None, text.splitlines(keepends=True), "<generated 1>")
    scope: dict[str, object] = {"__name__": "generated"}
    exec(compile(text, "<generated 1>", "exec"), scope)
    version = version_of(scope["f"])
    assert not version.partial
    assert version.source == "def f():\n    return K"


@pytest.mark.parametrize("arguments", [("-c",), ("-",)])
def test_code_without_a_file_is_partial_and_still_told_apart(arguments: tuple[str, ...]) -> None:
    def hash_of(value: str) -> str:
        code = (
            "from tracelib.versioning import version_of\n"
            f"def f():\n    return {value!r}\n"
            "v = version_of(f)\nprint(v.hash)\n"
        )
        return run("-c", code) if arguments == ("-c",) else run("-", text=code)

    assert hash_of("v1") == hash_of("v1")
    assert hash_of("v1") != hash_of("v2")


def test_a_script_run_as_main_has_the_hash_of_its_module(tmp_path: Path) -> None:
    code = "K = 'v1'\ndef f():\n    return K\n"
    told = "from tracelib.versioning import version_of\nprint(version_of({}).hash)\n"
    (tmp_path / "script.py").write_text(code + told.format("f"))
    (tmp_path / "mod.py").write_text(code)
    (tmp_path / "other.py").write_text("from mod import f\n" + told.format("f"))
    assert run("script.py", cwd=tmp_path) == run("other.py", cwd=tmp_path)


def test_what_pytest_rewrites_is_read_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        from tracelib.versioning import version_of
        K = 'v1'
        def helper():
            assert K == 'v1', 'told'
            return K
        def test_it():
            version = version_of(helper)
            assert not version.partial, version.why
            assert "assert K == 'v1', 'told'" in version.closure
        """)
    )
    assert "1 passed" in run("-m", "pytest", "-q", "-p", "no:randomly", str(tmp_path), cwd=tmp_path)


def test_a_file_edited_after_import_is_never_taken_for_the_code_that_runs(tmp_path: Path) -> None:
    module = written.module(tmp_path, "def f():\n    return 'v1'\ndef g():\n    return 2\n")
    Path(module.__file__ or "").write_text("# moved\n\ndef f():\n    return 'v2'\ndef g():\n    return 2\n")
    version = version_of(module.f)
    assert version.partial
    assert "edited after it was imported" in version.why[0]
    assert "v2" not in version.closure


def test_an_edit_that_only_changes_an_operator_is_noticed(tmp_path: Path) -> None:
    module = written.module(tmp_path, "def f(a, b):\n    return a + b\n")
    Path(module.__file__ or "").write_text("def f(a, b):\n    return a - b\n")
    assert version_of(module.f).partial


def test_a_function_seen_before_an_edit_keeps_its_own_text(tmp_path: Path) -> None:
    module = written.module(tmp_path, "def f():\n    return h()\ndef h():\n    return 'v1'\n")
    first = version_of(module.f)
    path = Path(module.__file__ or "")
    path.write_text("def h():\n    return 'v2 is longer'\ndef f():\n    return h()\n")
    os.utime(path, (2e9, 2e9))
    assert version_of(module.f) == first
    assert "v1" in lexical_closure(module.h)
    assert not version_of(module.h).partial


def test_a_reloaded_module_gives_the_new_version(tmp_path: Path) -> None:
    module = written.module(tmp_path, "def f():\n    return h()\ndef h():\n    return 'v1'\n")
    first, old = version_of(module.f), module.f
    path = Path(module.__file__ or "")
    path.write_text("def f():\n    return h()\ndef h():\n    return 'version two'\n")
    os.utime(path, (2e9, 2e9))
    sys.path.insert(0, str(tmp_path))
    try:
        importlib.reload(module)
    finally:
        sys.path.remove(str(tmp_path))
    assert version_of(module.f).hash != first.hash
    assert "version two" in lexical_closure(old)


def test_a_helper_that_was_replaced_while_running_is_followed(tmp_path: Path) -> None:
    module = written.module(tmp_path, "def h():\n    return 'old'\ndef f():\n    return h()\n")
    first = version_of(module.f)

    def newer() -> str:
        return "patched"

    module.h = newer
    second = version_of(module.f)
    assert second.hash != first.hash
    assert written.ran(second) == "patched"
    module.h = lambda: "lambda"
    assert written.ran(version_of(module.f)) == "lambda"


def test_a_decorator_of_an_installed_package_that_hides_the_function_is_imported(tmp_path: Path) -> None:
    text = "class Base:\n    pass\ndef hiding(fn):\n    def call():\n        return fn()\n    return call\n"
    packages = tmp_path / "site-packages"
    written.write(packages, text, "installed_for_a_test")
    sys.path.insert(0, str(packages))
    try:
        version = written.version(
            tmp_path,
            "from installed_for_a_test import Base, hiding\n"
            "class A(Base):\n    v = 'v1'\n"
            "@hiding\ndef f():\n    return A.v\n",
        )
        assert "from installed_for_a_test import hiding" in version.closure
        assert "class Base" not in version.closure
        assert written.ran(version) == "v1"
    finally:
        sys.path.remove(str(packages))


def test_code_that_an_optimizer_wrote_is_a_version_of_its_own() -> None:
    @trace.bundle(trainable=True)
    def learn(x: int) -> int:
        """Learn."""
        return x + BASE

    given = version_of(learn)
    learn.parameter.update("def learn(x: int) -> int:\n    return x * BASE")
    learned = learn.parameter._code.function(learn.parameter.data)
    version = version_of(learned)
    assert version.hash != given.hash
    assert "return x * BASE" in version.source
    assert written.ran(version, "learn(3)") == 3 * BASE


BASE = 7


def test_a_module_that_vanished_from_sys_modules_does_no_harm(tmp_path: Path) -> None:
    module = written.module(tmp_path, "import aside\ndef f():\n    return aside.K\n", aside="K = 'v1'\n")
    del sys.modules["aside"], sys.modules[module.__name__]
    version = version_of(module.f)
    assert version.hash.startswith("v1:")
    assert "'v1'" in version.closure
