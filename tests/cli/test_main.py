from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tracelib

ROOT = Path(__file__).parents[2]
COMMANDS = '''
import click
from tracelib.errors import StateError

@click.command()
def greet():
    """Say hello."""
    click.echo("hello from a plugin")

@click.command()
def refuse():
    """Fail with an error of ours."""
    raise StateError("the saved agent has no\\n  weights: train it first")

@click.command()
def defect():
    """Fail with a defect."""
    raise ZeroDivisionError("a defect")

@click.command()
def wait():
    """Wait for ever."""
    import time
    click.echo("waiting")
    time.sleep(60)

not_a_command = 3
'''
ENTRIES = """[tracelib.commands]
greet = added_commands:greet
refuse = added_commands:refuse
defect = added_commands:defect
wait = added_commands:wait
broken = not_installed_here:command
number = added_commands:not_a_command
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A Python path with one more installed package, which adds commands."""
    site = tmp_path_factory.mktemp("site")
    (site / "added_commands.py").write_text(COMMANDS)
    info = site / "added-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: added\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    paths = [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "100"}


def run(environment: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracelib", *args], env=environment, capture_output=True, text=True
    )


def test_the_version_is_the_package_s(environment: dict[str, str]) -> None:
    done = run(environment, "--version")
    assert (done.returncode, done.stdout) == (0, f"tracelib {tracelib.__version__}\n")


def test_help_lists_the_commands_of_other_packages(environment: dict[str, str]) -> None:
    done = run(environment, "--help")
    assert done.returncode == 0
    assert "Say hello." in done.stdout
    assert "Train" in done.stdout or "demo" in done.stdout


def test_help_lists_a_broken_plugin_with_its_error_and_package(environment: dict[str, str]) -> None:
    listed = " ".join(run(environment, "-h").stdout.split())
    assert "cannot be loaded from not_installed_here:command (added 1.2): ModuleNotFoundError" in listed
    assert "added_commands:not_a_command is no click command but a int" in listed


def test_a_broken_plugin_does_not_keep_the_others_from_running(environment: dict[str, str]) -> None:
    done = run(environment, "greet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello from a plugin\n", "")


def test_running_a_broken_plugin_tells_its_error_in_one_line(environment: dict[str, str]) -> None:
    done = run(environment, "broken", "--some", "option")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: `tracelib broken` cannot be loaded")
    assert done.stderr.count("\n") == 1


def test_an_error_of_ours_is_one_line_and_no_traceback(environment: dict[str, str]) -> None:
    done = run(environment, "refuse")
    assert done.returncode == 1
    assert done.stderr == "Error: the saved agent has no weights: train it first\n"


def test_a_defect_keeps_its_traceback(environment: dict[str, str]) -> None:
    done = run(environment, "defect")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError: a defect" in done.stderr


def test_a_mistyped_command_is_answered_with_the_right_one(environment: dict[str, str]) -> None:
    done = run(environment, "gret")
    assert done.returncode == 2
    assert "No such command 'gret'" in done.stderr
    assert "`greet`" in done.stderr


def test_an_unknown_option_is_a_usage_error(environment: dict[str, str]) -> None:
    done = run(environment, "--frobnicate")
    assert done.returncode == 2
    assert "--frobnicate" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_with_130_and_no_traceback(environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tracelib", "wait"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.split() == ["Interrupted."]
