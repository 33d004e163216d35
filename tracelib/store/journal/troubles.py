"""What goes wrong with a journal: kept for its status, and each sort of it told to the user once."""

from __future__ import annotations

import errno
import logging
import warnings
from collections import deque
from collections.abc import Callable

from tracelib.errors import StoreWarning

REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free space"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make the folder writable"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "close files, or raise the limit of open ones (ulimit -n)"),
    **dict.fromkeys(
        (errno.ENODEV, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP),
        "its file system has no locks, or maps no files into memory: choose a folder on a local disk",
    ),
}
"""What the user can do, by the number of the error."""

_log = logging.getLogger(__name__)


def warn(text: str) -> None:
    """Tells the user by a StoreWarning."""
    warnings.warn(text, StoreWarning, stacklevel=2)


def remedy(error: OSError) -> str:
    """What the user can do about a file that cannot be made."""
    return REMEDIES.get(error.errno or 0, "free space or make the folder writable")


class Troubles:
    """What went wrong, for `tell`; `latest` is "" as long as nothing did."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.begin_anew()

    def begin_anew(self) -> None:
        """In a forked child, whose troubles are its own."""
        self.latest = ""
        self._told: set[str] = set()
        self._news: deque[str] = deque()

    def note(self, sort: str, text: str) -> None:
        """Keep it; the first of its sort is told by the next `tell_news`."""
        self.latest = text
        if sort not in self._told:
            self._told.add(sort)
            self._news.append(text)

    def tell_news(self) -> None:
        """To be called outside of any lock: what hears it is the user's code."""
        while self._news:
            try:
                text = self._news.popleft()
            except IndexError:  # another thread tells it
                return
            try:
                self._tell(text)
            except Exception:  # the program under way must go on, even where warnings are errors
                _log.warning(text)
