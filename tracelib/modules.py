"""What a module is called: a program that was started has the name by which others would import it."""

from __future__ import annotations

import os
import sys
from typing import Any

STARTED = ("__main__", "__mp_main__")
"""What Python calls the program that was started, in it and in the processes that it spawns."""


def importable(name: str) -> str:
    """The name of a module as an import statement has it.

    `python app.py` and `import app` are the same code, and two programs that both run as `__main__` are
    not. A notebook and `python -c` have no such name and stay `__main__`.
    """
    if name not in STARTED:
        return name
    main: Any = sys.modules.get(name)
    spec = getattr(main, "__spec__", None)
    if name == "__main__" and spec is not None:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(file))[0] if file else "__main__"


def loaded(name: str) -> Any:
    """The module of that name, as `importable` gives it, if it is loaded; else None."""
    found = sys.modules.get(name)
    if found is None:
        return next(
            (sys.modules[one] for one in STARTED if one in sys.modules and importable(one) == name), None
        )
    return found
