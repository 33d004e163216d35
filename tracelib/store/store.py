"""A store: what was recorded, kept in a folder or a database, and the questions one can ask of it.

This is the face only: it loads no database. What each method does lives in the room that the table of
late bindings names.
"""

from __future__ import annotations

import contextvars
import hashlib
import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tracelib.errors import StoreError, StoreWarning
from tracelib.store.late import late
from tracelib.store.writing import recording

if TYPE_CHECKING:
    from tracelib.graph.graph import Graph
    from tracelib.store.database import Database
    from tracelib.store.draining.drain import Drain, Drained
    from tracelib.store.keeping.marks import AliasMove
    from tracelib.store.questions.replay import Replay
    from tracelib.store.rows import (
        Flow,
        StoredCall,
        StoredEvent,
        StoredFeedback,
        StoredRun,
        StoredUpdate,
        StoredVersion,
    )
    from tracelib.store.values.blobs import Blobs
    from tracelib.versioning import Difference

DATABASE = "tracelib.db"
"""The database in a store's folder; beside it are `journal` and `blobs`."""


_entered: contextvars.ContextVar[tuple[tuple[recording.Recording, contextvars.Token[Any]] | None, ...]]
_entered = contextvars.ContextVar("tracelib_entered", default=())
"""The blocks that are open in this context, innermost last; None for one that ends what `init` began."""


class Store:
    """Versions, calls, parameters and feedback, in one place that many processes share.

    Recording is begun for the process by `install` (or `trace.init`), or for a block by `with store:`.
    Every question first drains what was recorded, by any process, up to now.
    """

    def __init__(self, where: str, journal: Path, durability: str = "normal") -> None:
        if durability not in ("normal", "fsync"):
            raise StoreError(f"durability is normal or fsync, not {durability!r}")
        self.where = where
        self.journal = journal
        self.durability: Any = durability
        self._migrated = False

    def install(
        self,
        autocommit: Any = False,
        capture: str = "full",
        redact: Callable[[str], str] | None = None,
    ) -> Store:
        """Record every call of this process into the store from now on.

        With `autocommit` a language model writes the commit messages of new versions, in the background:
        a model that is given, or for True the one that TRACELIB_MODEL names; where it names none, and
        without `autocommit`, messages are made from the difference, offline. The difference of your source
        goes to that model, and only then.
        `capture` is what is kept of values: "full", "hash" (a digest of each) or "none". `redact` sees
        every text after known secrets were taken out of it, and gives what is kept.
        """
        recording.install(recording.Recording(self, capture, redact, autocommit))
        return self

    def uninstall(self) -> None:
        """Record no more, if it is this store that is recorded into."""
        found = recording.of_process()
        if found is not None and found.store is self:
            recording.install(None)

    def __enter__(self) -> Store:
        """Record into this store in this context; what `init` gave is the process's until the block ends."""
        of_process = recording.of_process()
        if of_process is not None and of_process.store is self:
            entered = None
        else:
            made = recording.Recording(self)
            entered = made, recording.enter(made)
        _entered.set((*_entered.get(), entered))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        *around, entered = _entered.get()
        _entered.set(tuple(around))
        if entered is None:
            self.uninstall()
        else:
            recording.leave(*entered)

    def run(self, name: str, config: Any = None) -> AbstractContextManager[str]:
        """Calls made inside `with store.run("nightly", {...}) as id:` belong to one run of the store.

        An exception that leaves the block makes it a failed run, and goes on.
        """
        return recording.running(self, name, config)

    @cached_property
    def database(self) -> Database:
        """The database itself; rows that are still in the journal are not in it: see `ready`."""
        raise NotImplementedError

    @cached_property
    def blobs(self) -> Blobs:
        """Where big values are."""
        raise NotImplementedError

    def exists(self) -> bool:
        """Whether there is a store at this place already; looking makes none."""
        raise NotImplementedError

    @cached_property
    def _drain(self) -> Drain:
        return late("Drain")(self.database, self.blobs, self.journal)  # type: ignore[no-any-return]

    def drain(self) -> Drained:
        """Move what was recorded into the database; raises StoreError when it cannot be written."""
        self._migrate()
        return self._drain.all()

    def ready(self) -> Database:
        """The database, with all that was recorded until now; what cannot be drained is warned about."""
        try:
            self.drain()
        except StoreError as error:
            warnings.warn(
                f"the newest records of {self.database.shown} are still in the journal, not shown ({error})",
                StoreWarning,
                stacklevel=3,
            )
        return self.database

    def flush(self) -> None:
        """Move what was recorded until now into the database; trouble is warned about, nothing is lost."""
        found = recording.of_process()
        for one in (found, recording.active()):
            if one is not None and one.store is self:
                one.journal.flush()
        self.ready()

    def versions(self, name: str | None = None, limit: int | None = None) -> list[StoredVersion]:
        """The versions of a function, newest first; of all functions where no name is given."""
        return late("versions")(self.ready(), name, limit)  # type: ignore[no-any-return]

    def version(self, which: str) -> StoredVersion:
        """One version: `greet` (the newest), `greet@3`, `greet@production`, or the beginning of a hash.

        Raises UnknownRecord, with names that are near, when there is none.
        """
        return late("version")(self.ready(), which)  # type: ignore[no-any-return]

    def functions(self) -> list[Any]:
        """What was called, with how often and how well."""
        return late("functions")(self.ready())  # type: ignore[no-any-return]

    def calls(
        self,
        where: str | None = None,
        name: str | None = None,
        limit: int | None = 50,
        values: bool = False,
        deep: bool = False,
    ) -> list[StoredCall]:
        """Calls, newest first. `where` is a filter such as `duration > 2 and "refund" in output`.

        With `values` inputs and outputs come along; `deep` looks for text in big values too.
        """
        database = self.ready()
        return late("calls")(  # type: ignore[no-any-return]
            database, self.blobs, where=where, name=name, limit=limit, values=values, deep=deep
        )

    def call(self, id: str) -> StoredCall:
        """One call with its values, by its id or the beginning of it."""
        return late("call")(self.ready(), self.blobs, id)  # type: ignore[no-any-return]

    def section(self, id: str, section: str) -> str | None:
        """The JSON of a call's inputs, output, error, graph, state or request, as it is kept, whole."""
        return late("section_of")(self.ready(), self.blobs, id, section)  # type: ignore[no-any-return]

    def trace(self, id: str) -> list[StoredCall]:
        """All calls made within the same outermost call, callers before what they call."""
        return late("trace_of")(self.ready(), id)  # type: ignore[no-any-return]

    def graph(self, id: str) -> Graph:
        """The recorded graph behind a call, as it was: send feedback back through it, or draw it."""
        return late("graph")(self.ready(), self.blobs, id)  # type: ignore[no-any-return]

    def dependencies(self, *names: str) -> Any:
        """Which functions use which, as a networkx graph: what their newest versions say, and what calls did.

        Edges have `kind` "uses", "calls" or "flows"; the last two have a `count` over all stored calls.
        Without names all functions are in it.
        """
        newest: dict[str, StoredVersion] = {}
        for version in map(self.version, names) if names else self.versions():
            newest.setdefault(version.name, version)
        return late("dependencies")(self.ready(), list(newest.values()))

    def difference(self, old: str, new: str) -> Difference:
        """What changed between two versions."""
        before, after = self.version(old).whole, self.version(new).whole
        return late("difference")(before, after)  # type: ignore[no-any-return]

    def consumed(self, id: str) -> list[Flow]:
        """The calls whose values flowed into a call, and by which input."""
        return late("consumed")(self.ready(), id)  # type: ignore[no-any-return]

    def consumers(self, id: str) -> list[Flow]:
        """The calls that a call's value flowed into."""
        return late("consumers")(self.ready(), id)  # type: ignore[no-any-return]

    def updates(self, program: str | None = None, path: str | None = None) -> list[StoredUpdate]:
        """The changes of parameters, oldest first."""
        return late("updates")(self.ready(), program, path)  # type: ignore[no-any-return]

    def replay(self, id: str, timeout: float = 60.0) -> Replay:
        """Run a stored call again in a fresh interpreter, and compare what it gives. Code runs."""
        return late("replay")(self, id, timeout)  # type: ignore[no-any-return]

    def freeze(self, *functions: Any) -> Any:
        """Let calls of recorded functions give what is stored for the same version and inputs; no code runs.

        Until `unfreeze`, or for a block: `with store.freeze(greet):`. A call of which nothing is stored
        runs as ever.
        """
        return late("freeze")(self, functions)

    def unfreeze(self, *functions: Any) -> None:
        """Let functions run again."""
        late("unfreeze")(functions)

    def parameters(self, program: str, at: Any = None) -> dict[str, Any]:
        """The values of a program's parameters by path: now, at a time, at a state's number or at a call."""
        return late("parameters")(self.ready(), program, at)  # type: ignore[no-any-return]

    def runs(self, name: str | None = None, limit: int | None = 50) -> list[StoredRun]:
        """Runs, newest first, with what their calls used."""
        return late("runs")(self.ready(), name, limit)  # type: ignore[no-any-return]

    def events(self, name: str | None = None, limit: int | None = 50, after: int = 0) -> list[StoredEvent]:
        """Named events, such as an optimizer's candidates, oldest first; those after the id `after`."""
        return late("events")(self.ready(), name, limit, after)  # type: ignore[no-any-return]

    def programs(self) -> dict[str, int]:
        """The programs whose parameters are stored, with the number of each one's newest state."""
        return late("programs")(self.ready())  # type: ignore[no-any-return]

    def tag(self, target: str, *tags: str) -> tuple[str, ...]:
        """Put tags on a call, version or run."""
        return late("tag")(self.ready(), *self._target(target), *tags)  # type: ignore[no-any-return]

    def untag(self, target: str, *tags: str) -> tuple[str, ...]:
        """Take tags off."""
        return late("untag")(self.ready(), *self._target(target), *tags)  # type: ignore[no-any-return]

    def alias(self, which: str, alias: str, by: str | None = None) -> AliasMove:
        """Let an alias point to a version: `store.alias("greet@3", "production")`; every move is logged.

        `module:Program@5` points it to a state of a program's parameters.
        """
        program, _, state = which.rpartition("@")
        if program in self.programs() and state.isdecimal():
            return self.alias_state(program, int(state), alias, by)
        found = self.version(which)
        return late("move_alias")(self.database, found.name, alias, found.number, by)  # type: ignore[no-any-return]

    def alias_state(self, program: str, state: int, alias: str, by: str | None = None) -> AliasMove:
        """Let an alias point to a state of a program's parameters: `alias_state("app:Agent", 5, "best")`."""
        return late("move_alias")(self.ready(), program, alias, state, by)  # type: ignore[no-any-return]

    def unalias(self, name: str, alias: str, by: str | None = None) -> Any:
        """Let an alias of a function (`app:greet`) or program point nowhere; its log stays."""
        return late("remove_alias")(self.ready(), name, alias, by)

    def aliases(self, name: str) -> dict[str, str]:
        """Where the aliases of a function (`app:greet`) or program point: alias -> number."""
        return late("aliases")(self.ready(), name)  # type: ignore[no-any-return]

    def alias_log(self, name: str, alias: str | None = None) -> list[Any]:
        """Every move of the aliases of a function or program, or of one of them, oldest first."""
        return late("alias_log")(self.ready(), name, alias)  # type: ignore[no-any-return]

    def comment(self, target: str, text: str, by: str | None = None) -> StoredFeedback:
        """Say something about a call, version or run."""
        return late("say")(self.ready(), *self._target(target), text, by=by)  # type: ignore[no-any-return]

    def score(
        self,
        target: str,
        name: str,
        score: float,
        text: str = "",
        source: str = "human",
        by: str | None = None,
    ) -> StoredFeedback:
        """Keep a score of a call, version or run; higher is better. `by` is the user unless given."""
        return late("say")(  # type: ignore[no-any-return]
            self.ready(), *self._target(target), text, name=name, score=float(score), source=source, by=by
        )

    def feedback(self, target: str) -> list[StoredFeedback]:
        """What was said about a call, version or run, oldest first."""
        return late("said")(self.ready(), *self._target(target))  # type: ignore[no-any-return]

    def target(self, which: str) -> tuple[str, str]:
        """What a name that people give means: call, version or run, and its whole id or hash."""
        self.ready()
        return self._target(which)

    def _target(self, target: str) -> tuple[str, str]:
        """What a name that people give means: a call, version or run, and its whole id or hash."""
        return late("target")(self.database, target)  # type: ignore[no-any-return]

    def prune(self, **limits: Any) -> Any:
        """Remove old calls; see `tracelib.store.keeping.prune.prune` for the limits."""
        return late("prune")(self.ready(), self.blobs, **limits)

    def export(self, target: Any, where: str | None = None) -> Any:
        """Write what is stored as lines of JSON."""
        return late("export")(self.ready(), self.blobs, target, where)

    def import_(self, source: Any) -> Any:
        """Add what an export holds and is not here yet."""
        return late("import_")(self.ready(), self.blobs, source)

    def verify(self) -> Any:
        """Check every hash and every reference."""
        return late("verify")(self.ready(), self.blobs, self.journal)

    def status(self) -> Any:
        """How the store is doing: sizes, counts, what waits in the journal, what runs, what is wrong."""
        return late("status")(self)

    def _migrate(self) -> None:
        if not self._migrated:
            late("migrate")(self.database)
            self._migrated = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.where!r})"


class SQLiteStore(Store):
    """A store in a folder (`./logdir`) or in a file (`calls.db`, with a folder `calls.db.d` beside it)."""

    def __init__(
        self, path: str | os.PathLike[str], durability: str = "normal", journal: Path | None = None
    ) -> None:
        whole = Path(path).expanduser().absolute()
        is_file = whole.suffix in (".db", ".sqlite", ".sqlite3") or whole.is_file()
        self.file = whole if is_file else whole / DATABASE
        self.folder = whole.with_name(whole.name + ".d") if is_file else whole
        self._inode: int | None = None
        super().__init__(str(whole), journal or self.folder / "journal", durability)

    @cached_property
    def database(self) -> Database:
        return late("sqlite_database")(self.file, self.durability)  # type: ignore[no-any-return]

    @cached_property
    def blobs(self) -> Blobs:
        return late("FolderBlobs")(self.folder / "blobs", self.durability)  # type: ignore[no-any-return]

    def exists(self) -> bool:
        """Whether anything was recorded here; StoreError for a file that is plainly no store."""
        return late("in_file")(self.file, self.journal)  # type: ignore[no-any-return]

    def _migrate(self) -> None:
        if self._migrated and _inode(self.file) == self._inode:
            return
        self._migrated = False
        self.__dict__.pop("_drain", None)  # it remembers numbers of rows of a file that is there no more
        _make(self.file.parent)
        _make(self.folder)
        super()._migrate()
        self._inode = _inode(self.file)


class PostgresStore(Store):
    """A store in PostgreSQL (`postgresql://user@host/name`), with a journal on this machine.

    The journal is in `journal`, by default in the user's state folder, by a digest of the URL.
    """

    def __init__(
        self, url: str, durability: str = "normal", journal: str | os.PathLike[str] | None = None
    ) -> None:
        folder = Path(journal) if journal is not None else _state_folder(url)
        super().__init__(url, folder.absolute(), durability)

    @cached_property
    def database(self) -> Database:
        return late("url_database")(self.where)  # type: ignore[no-any-return]

    @cached_property
    def blobs(self) -> Blobs:
        return late("TableBlobs")()  # type: ignore[no-any-return]

    def exists(self) -> bool:
        """Whether anything was recorded here; StoreError where the server cannot be asked."""
        return late("in_tables")(self.database, self.journal)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"PostgresStore({self.database.shown!r})"


def open_store(where: Any, journal: Path | None = None, durability: str = "normal") -> Store:
    """The store at a folder, file or URL; a Store is given back as it is."""
    if isinstance(where, Store):
        return where
    if not isinstance(where, (str, os.PathLike)) or not str(where):
        raise StoreError(
            f"a store is a folder, sqlite:///file.db, postgresql://host/name or a Store, not {where!r}"
        )
    text = os.fspath(where)
    if text.startswith("sqlite:"):
        return SQLiteStore(late("url_database")(text).shown, durability, journal)
    if "://" in text:
        return PostgresStore(text, durability, journal)
    return SQLiteStore(text, durability, journal)


def init(
    store: Any = None,
    autocommit: Any = False,
    capture: str = "full",
    redact: Callable[[str], str] | None = None,
    durability: str = "normal",
) -> Store | None:
    """Record every call of this process into a store, from now on: `trace.init(store="./logdir")`.

    `store` is a folder, `sqlite:///file.db`, `postgresql://...` or a Store; None ends recording. The
    store is given back: `with trace.init(store="./logdir") as store:` ends recording with the block.
    """
    if store is None:
        recording.install(None)
        return None
    return open_store(store, durability=durability).install(autocommit, capture, redact)


def flush() -> None:
    """Move what this process has recorded until now into its store; without one it does nothing."""
    found = recording.active()
    if found is not None:
        found.store.flush()


def _state_folder(url: str) -> Path:
    """Where the journal of a remote database is: by user, and by a digest that tells nothing of the URL."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "tracelib" / hashlib.sha256(url.encode()).hexdigest()[:16]


def _inode(file: Path) -> int | None:
    """Which file it is; None where there is none, or where that cannot be found out."""
    try:
        return file.stat().st_ino
    except OSError:
        return None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror}. Name another folder.") from error
