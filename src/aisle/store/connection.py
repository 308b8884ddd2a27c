"""The connections to the embedded database: one writer at a time, many readers, every commit on the disk.

Writes go through SQLAlchemy or, where many rows go in at once, through the driver's own connection. The reads of the
request path use the driver directly with statements that were compiled once from SQLAlchemy Core: building and
adapting a statement costs more than such a read takes.
"""

from __future__ import annotations

import fcntl
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import QueuePool

from aisle.errors import BackendUnavailableError, DataError
from aisle.store.migrations import migrate

BUSY_TIMEOUT_MS = 30_000
CACHE_KIB = 64 * 1024
#: SQLite copies its log back into the database after a commit that leaves it longer than this.
CHECKPOINT_PAGES = 1000

_PRAGMAS = (
    f"busy_timeout = {BUSY_TIMEOUT_MS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    f"cache_size = -{CACHE_KIB}",
    "temp_store = MEMORY",
    "journal_size_limit = 67108864",
)


def driver_sql(statement: sa.ClauseElement) -> str:
    """The text of a statement for the driver: constants written out, ``?`` for each bound parameter in order.

    The constants are the ones in our own statements; input always comes as a bound parameter.
    """
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    constants = {name: value for name, value in (compiled.params or {}).items() if value is not None}

    def place(found: re.Match[str]) -> str:
        value = constants.get(found[1], "?")
        return value if value == "?" else _literal(value)

    return re.sub(r":(\w+)", place, str(compiled))


def _literal(value: object) -> str:
    if isinstance(value, str) and value.replace("_", "").isalnum():
        return f"'{value}'"
    if isinstance(value, int | float):
        return repr(int(value) if isinstance(value, bool) else value)
    raise ValueError(f"expected a number or a plain word as a constant of a statement, received {value!r}")


class Database:
    """An open database file: ``write`` for a transaction, ``read`` and ``reader`` for queries.

    Raises:
        DataError: the file is no store, or of a newer release.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = sa.create_engine("sqlite://", creator=self._connect, poolclass=QueuePool, max_overflow=-1)
        self._idle_readers: list[sqlite3.Connection] = []
        self._open: list[sqlite3.Connection] = []
        self._write_lock = threading.Lock()
        self._is_closed = False
        self._resources = ExitStack()
        self._resources.callback(self._engine.dispose)
        try:
            self._turnstile = self._resources.enter_context(path.with_name(path.name + "-turn.lock").open("ab"))
            self._gate = self._resources.enter_context(path.with_name(path.name + "-write.lock").open("ab"))
            self._writer = self._resources.enter_context(self._engine.connect())
            with self.write() as connection:
                migrate(connection)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.DatabaseError | sa.exc.DatabaseError | OSError):
                raise DataError(f"cannot open the store {path}: {_cause(error)}") from error
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()
            raise
        self._open.append(connection)
        return connection

    @contextmanager
    def write(self, *, is_bulk: bool = False) -> Iterator[sa.Connection]:
        """One transaction that is on the disk when the block ends, or undone when it raises.

        Args:
            is_bulk: leave copying the log back into the database until other writers have had their turn.

        Raises:
            BackendUnavailableError: another program holds the database, or the disk is full; nothing was written.
        """
        deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        with self._writing(), self._said_clearly():
            if self._is_closed:
                raise DataError(f"the store {self.path} is closed")
            with self._turn():
                driver = driver_of(self._writer)
                # Who has waited for the writers of this process waits that much less for those of others.
                left_ms = max(0, round((deadline - time.monotonic()) * 1000))
                driver.execute(f"PRAGMA busy_timeout = {left_ms}")
                driver.execute(f"PRAGMA wal_autocheckpoint = {0 if is_bulk else CHECKPOINT_PAGES}")
                with self._writer.begin():
                    # SQLAlchemy leaves the BEGIN to the driver, and the driver (isolation_level None) leaves it to us.
                    driver.execute("BEGIN IMMEDIATE")
                    yield self._writer
            if is_bulk:
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Wait in line with the writers of this process."""
        if not self._write_lock.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise BackendUnavailableError(
                f"the store {self.path} was held for {BUSY_TIMEOUT_MS / 1000:g} seconds; nothing was written; see "
                "whether another program holds it, then send again"
            )
        try:
            yield
        finally:
            self._write_lock.release()

    @contextmanager
    def _said_clearly(self, done: str = "written") -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, sa.exc.OperationalError) as error:
            raise BackendUnavailableError(
                f"the store {self.path} cannot be {done} ({_cause(error)}); nothing was; see whether another program "
                "holds it and whether the disk is full, then send again"
            ) from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait in line with the writers of other processes.

        SQLite lets waiting writers poll, so a steady writer would starve the others. Here who wants to write first
        takes the turnstile and keeps it until the gate is his: while anyone waits at the gate, the writer that just
        left cannot come in again before him.
        """
        fcntl.flock(self._turnstile, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._gate, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._turnstile, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for reading through SQLAlchemy; each statement sees one consistent state."""
        if self._is_closed:
            raise DataError(f"the store {self.path} is closed")
        with self._said_clearly("read"), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """The same, without SQLAlchemy's share of the time."""
        if self._is_closed:
            raise DataError(f"the store {self.path} is closed")
        with self._said_clearly("read"):
            try:
                connection = self._idle_readers.pop()
            except IndexError:
                connection = self._connect()
            try:
                yield connection
            finally:
                if self._is_closed:
                    connection.close()
                else:
                    self._idle_readers.append(connection)

    def settings(self) -> list[dict[str, Any]]:
        """What each connection that is open now says of its durability: ``journal_mode`` and ``synchronous``."""
        names = ("journal_mode", "synchronous")
        found = []
        for connection in list(self._open):
            with suppress(sqlite3.ProgrammingError):  # closed in the meantime
                found.append({name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names})
        return found

    def close(self) -> None:
        """Close every connection; a second call does nothing."""
        with self._write_lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._resources.close()
            with suppress(IndexError):
                while True:  # a reader that is in use now closes itself when it is given back
                    self._idle_readers.pop().close()


def _cause(error: Exception) -> str:
    """What the driver said, without SQLAlchemy's frame around it."""
    return str(getattr(error, "orig", None) or error)


def driver_of(connection: sa.Connection) -> sqlite3.Connection:
    """The driver's connection under a SQLAlchemy one."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
