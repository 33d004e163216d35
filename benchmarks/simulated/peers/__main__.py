"""Run one peer's loop at each of these places; what came of it, as JSON on stdout.

python -m benchmarks.simulated.peers PEER WHAT STEPS SEED@URL...
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile

from benchmarks.simulated.ran import Place


def main(arguments: list[str]) -> None:
    """What the peer prints itself goes to stderr, and what it writes to a folder that is gone afterwards."""
    peer, what, steps, *places = arguments
    out = os.dup(1)
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        os.chdir(folder)
        run = getattr(importlib.import_module(f"benchmarks.simulated.peers.{peer}"), what)
        ran = [run(Place.of(place), int(steps)).to_json() for place in places]
        os.chdir("/")
    sys.stdout.flush()
    os.dup2(out, 1)
    print(json.dumps(ran))


if __name__ == "__main__":
    main(sys.argv[1:])
