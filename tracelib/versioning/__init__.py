"""Which code it was: the lexical closure of a function, its hash, and the difference of two of them.

Knows no graph and no store; a recorded function is known by its `__wrapped__` alone.
"""

from tracelib.versioning.changes import Difference, difference
from tracelib.versioning.closure import lexical_closure, rederived, version_of
from tracelib.versioning.version import Part, Use, Version

__all__ = ["Difference", "Part", "Use", "Version", "difference", "lexical_closure", "rederived", "version_of"]
