"""One SQLite database, and the lock that lets several threads share its one connection."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from segops.core import SegOpsConfigError
from segops.emulator.schema import APPLICATION_ID, TABLES, VERSION
from segops.utils import ForkLock

MEMORY = ":memory:"

_BUSY_SECONDS = 5.0


class Database:
    """The database of one local SegOps.

    Attributes:
        path: The file, or ":memory:".

    Raises:
        SegOpsConfigError: The file cannot be used: read-only, corrupt, locked for 5 s, or of another program.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = ForkLock()
        self._connection: sqlite3.Connection | None = None
        self._finalizer: weakref.finalize[..., Database] | None = None
        with self._lock:
            self._connected()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Store everything that the block writes, or, if it raises, nothing of it."""
        with self._lock:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:  # after some errors SQLite has rolled back on its own
                    connection.execute("ROLLBACK")

    def query(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        with self._lock:
            return self._connected().execute(sql, values).fetchall()

    def setting(self, name: str, default: Callable[[], str]) -> str:
        """Return a setting; on first use it is given its default."""
        if not (rows := self.query("SELECT value FROM settings WHERE name = ?", (name,))):
            with self.transaction() as connection:  # another process may be faster
                connection.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default()))
            rows = self.query("SELECT value FROM settings WHERE name = ?", (name,))
        return str(rows[0][0])

    def close(self) -> None:
        """Give back the file; the next use opens it again. A database in memory stays as long as this object."""
        with self._lock:
            if self._finalizer is not None and self.path != MEMORY:
                self._finalizer()
                self._finalizer = self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = _connect(self.path)
            except (OSError, sqlite3.Error, ValueError) as error:
                raise SegOpsConfigError(
                    f"cannot use {self.path!r} as the database of a local SegOps ({error}): name a file that can be "
                    "written and was made by it, or one that does not exist yet"
                ) from error
            self._finalizer = weakref.finalize(self, self._connection.close)
            self._finalizer.atexit = False  # a client may still deliver while the program ends
        return self._connection


def _connect(path: str) -> sqlite3.Connection:
    if path != MEMORY:
        # It will hold keys: others may not read it. An existing file is not opened here, because closing it again
        # would release the locks that another connection of this process holds on it (POSIX).
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.create_function("casefold", 1, str.casefold, deterministic=True)
    try:
        _prepare(connection)
        connection.execute("PRAGMA journal_mode=TRUNCATE")
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (owner, version, tables) == (0, 0, 0):
        for table in TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    elif owner != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is the database of another program")
    elif version != VERSION:
        raise sqlite3.DatabaseError(f"its format is {version}, this version of segops reads {VERSION}")
    # Written each time: only a write shows that the file is read-only.
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")
