"""Share one SQLite connection between threads."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from segops.core import SegOpsConfigError
from segops.utils import ForkLock

MEMORY = ":memory:"

APPLICATION_ID = 0x5E60B5
"""Marks a file as a database of a local SegOps (`PRAGMA application_id`)."""

VERSION = 3
"""The format of the tables (`PRAGMA user_version`)."""

TABLES = ("CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",)

_BUSY_SECONDS = 5.0


class Database:
    """The database of a local SegOps.

    Args:
        path: The file, or ":memory:".
        tables: The SQL statements that fill a new database.

    Raises:
        SegOpsConfigError: The file is read-only, corrupt, locked for 5 s, or belongs to another program.
    """

    def __init__(self, path: str, tables: Sequence[str]) -> None:
        self.path = path
        self._tables = tables
        self._lock = ForkLock()
        self._connection: sqlite3.Connection | None = None
        self._finalizer: weakref.finalize[..., Database] | None = None
        with self._lock:
            self._connected()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what the block writes, or roll it back if the block raises."""
        with self._lock:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:  # SQLite itself rolls back after some errors
                    connection.execute("ROLLBACK")

    def query(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        with self._lock:
            return self._connected().execute(sql, values).fetchall()

    def records(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[dict[str, Any]]:
        """Return the rows of a SELECT as objects with the names of its columns."""
        with self._lock:
            cursor = self._connected().execute(sql, values)
            names = [name for name, *_ in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def setting(self, name: str, default: Callable[[], str]) -> str:
        """Return a setting, and store its default on first use."""
        if not (rows := self.query("SELECT value FROM settings WHERE name = ?", (name,))):
            with self.transaction() as connection:  # another process may have stored it first
                connection.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default()))
            rows = self.query("SELECT value FROM settings WHERE name = ?", (name,))
        return str(rows[0][0])

    def close(self) -> None:
        """Close the file, which the next use reopens. A database in memory lives as long as this object."""
        with self._lock:
            if self._finalizer is not None and self.path != MEMORY:
                self._finalizer()
                self._finalizer = self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = _connect(self.path, self._tables)
            except (OSError, sqlite3.Error, ValueError) as error:
                raise SegOpsConfigError(
                    f"cannot use {self.path!r} as the database of a local SegOps ({error}): use a new file, or "
                    "a writable one that a local SegOps created"
                ) from error
            self._finalizer = weakref.finalize(self, self._connection.close)
            self._finalizer.atexit = False  # a client may still deliver while the program ends
        return self._connection


def _connect(path: str, tables: Sequence[str]) -> sqlite3.Connection:
    if path != MEMORY:
        # Only its owner may read the file, because it contains keys. An existing file is not opened here: closing it
        # would release the locks that another connection of this process holds on it (POSIX).
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.create_function("casefold", 1, str.casefold, deterministic=True)
    try:
        _prepare(connection, tables)
        connection.execute("PRAGMA journal_mode=TRUNCATE")
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, tables: Sequence[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (owner, version, count) == (0, 0, 0):
        for statement in tables:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    elif owner != APPLICATION_ID:
        raise sqlite3.DatabaseError("it belongs to another program")
    elif version != VERSION:
        raise sqlite3.DatabaseError(f"its format is {version}, but this version of segops reads {VERSION}")
    # Always written, because only a write reveals that the file is read-only.
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")
