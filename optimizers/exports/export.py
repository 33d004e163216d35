"""Writes what a training learned into a file whose suffix says what it is to be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optimizers.exports.patch import patch_of
from optimizers.exports.standalone import standalone
from tracelib.errors import OptimizerError, StateError
from tracelib.graph.module import FORMAT
from tracelib.programs.changes import changes_of
from tracelib.programs.writeback import Rewriting, rewrite

KINDS = (
    ".json (the best values), .py (the program with them, which runs alone), .patch or .diff (for git apply)"
)


def exported(result: Mapping[str, Any], path: Path, sources: Sequence[str]) -> bytes:
    """The content of the file, from the JSON of a result; OptimizerError says why there is none."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        told = {"format": FORMAT, "parameters": result["best"]}
        return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()
    if suffix not in (".py", ".patch", ".diff"):
        raise OptimizerError(f"what {path.name} is to be cannot be told: its suffix is one of {KINDS}")
    made = _rewritten(result, sources)
    if suffix == ".py":
        return _program(made)
    if not made.changed:
        raise OptimizerError("there is nothing to patch: the source says already what was learned")
    return patch_of(made)


def _rewritten(result: Mapping[str, Any], sources: Sequence[str]) -> Rewriting:
    try:
        made = rewrite(changes_of(result), sources)
    except StateError as error:
        raise OptimizerError(f"nothing was exported: {error}") from error
    if made.refused:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in made.refused.items())
        raise OptimizerError(f"nothing was exported. {reasons}")
    return made


def _program(made: Rewriting) -> bytes:
    files = list(made.after.values())
    if len(files) != 1:
        names = ", ".join(str(file.path) for file in files)
        raise OptimizerError(f"the program is in {len(files)} files ({names}): export a patch")
    alone = standalone(files[0])
    compile(alone.text, str(alone.path), "exec")
    return alone.text.encode(alone.encoding)
