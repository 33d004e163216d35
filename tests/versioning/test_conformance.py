"""The tables of cases: what must be in a closure, what must change its hash, and that it reproduces.

Many cases share a process, each with its own folder at the front of the import path; the hashes are
taken in 20 processes with different hash seeds, from different working directories.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PROCESSES = {"closure_cases.json": 20, "own_cases.json": 4}
CASES = {
    case["name"]: {**case, "processes": processes}
    for file, processes in PROCESSES.items()
    for case in json.loads((HERE / file).read_text())["cases"]
}


def cases(wanted: Any = lambda case: True) -> list[Any]:
    return [name for name, case in CASES.items() if wanted(case)]


def write(folder: Path, files: dict[str, str]) -> str:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return str(folder)


def work(job: str, content: dict[str, Any], seed: int, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(HERE / "worker.py"), job, str(folder)],
        input=json.dumps(content),
        env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT) if job == "look" else ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def looks(folder: Path) -> list[dict[str, Any]]:
    """Every case in every process."""
    content = {name: (CASES[name], write(folder / name / "base", CASES[name]["files"])) for name in CASES}
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = []
        for seed in range(max(PROCESSES.values())):
            some = {name: job for name, job in content.items() if seed < job[0]["processes"]}
            jobs.append(pool.submit(work, "look", some, seed, folder / f"cwd{seed}" / ("deep" * (seed % 3))))
        return [job.result() for job in jobs]


@pytest.fixture(scope="module")
def variants(folder: Path) -> dict[str, Any]:
    content = {}
    for name in CASES:
        for variant, (files, _) in CASES[name]["variants"].items():
            where = write(folder / name / variant, {**CASES[name]["files"], **files})
            content[f"{name}/{variant}"] = ({**CASES[name], "call": None}, where)
    return work("look", content, 0, folder / "cwd")


@pytest.fixture(scope="module")
def runs(looks: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    content = {n: (CASES[n], looks[0][n]["closure"]) for n in sorted(CASES) if CASES[n]["call"]}
    return work("run", content, 7, folder / "alone")


def plain(text: str) -> str:
    """Text as the table compares it: quotes alike, no spaces around `=`."""
    return re.sub(r" *= *", "=", text.replace('"', "'"))


@pytest.mark.parametrize("name", cases())
def test_the_hash_is_the_same_in_every_process(name: str, looks: list[dict[str, Any]]) -> None:
    hashes = [look[name]["hash"] for look in looks if name in look]
    assert len(hashes) == CASES[name]["processes"]
    assert len(set(hashes)) == 1


@pytest.mark.parametrize("name", cases())
def test_the_closure_holds_what_it_must_and_nothing_else(name: str, looks: list[dict[str, Any]]) -> None:
    closure = plain(looks[0][name]["closure"])
    assert [text for text in CASES[name]["need"] if plain(text) not in closure] == []
    assert [text for text in CASES[name]["absent"] if plain(text) in closure] == []


@pytest.mark.parametrize("name", cases(lambda case: case["call"]))
def test_the_closure_alone_reproduces_the_function(
    name: str, looks: list[dict[str, Any]], runs: dict[str, Any]
) -> None:
    assert runs[name] == looks[0][name]["result"], looks[0][name]["closure"]


@pytest.mark.parametrize("name", cases(lambda case: case["variants"]))
def test_an_edit_changes_the_hash_exactly_when_it_should(
    name: str, looks: list[dict[str, Any]], variants: dict[str, Any]
) -> None:
    for variant, (_, expected) in CASES[name]["variants"].items():
        same = variants[f"{name}/{variant}"]["hash"] == looks[0][name]["hash"]
        assert same == (expected == "same"), variant


@pytest.mark.parametrize("name", cases(lambda case: any("__mutate__" in t for t in case["files"].values())))
def test_what_changes_while_running_is_state(name: str, looks: list[dict[str, Any]]) -> None:
    assert all(look[name]["mutated"] == look[name]["hash"] for look in looks if name in look)


@pytest.mark.parametrize(
    "name", cases(lambda case: "HANG" in case["name"]) or [pytest.param("E08_object_no_repr")]
)
def test_an_object_that_hangs_or_raises_is_not_touched(name: str, looks: list[dict[str, Any]]) -> None:
    assert max(look[name]["seconds"] for look in looks if name in look) < 1
