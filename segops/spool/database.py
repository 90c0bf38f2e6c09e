"""Open and check the database of a spool, and set it aside if it is damaged.

The database uses a rollback journal and `synchronous=FULL`, so committed batches survive a kill and a loss of power.

Source: docs/spool.md, "When the disk fails".
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from segops.core import SegOpsConfigError
from segops.spool.files import Lock, create, has_dead_lease
from segops.spool.record import COLUMNS, Record
from segops.spool.salvage import PAGE, salvage
from segops.utils import monotonic

APPLICATION_ID = 0x5E60_0900
VERSION = 1

TABLES = (
    """CREATE TABLE batches (place INTEGER PRIMARY KEY, key TEXT NOT NULL, path TEXT NOT NULL, owner TEXT,
    events INTEGER NOT NULL, created_at REAL NOT NULL, checksum INTEGER NOT NULL, lease TEXT NOT NULL,
    position INTEGER NOT NULL, attempts INTEGER NOT NULL, body BLOB NOT NULL)""",
    # The events in all rows, twice: the sum reveals missing rows, and the mirror a damaged sum.
    "CREATE TABLE totals (held INTEGER NOT NULL, mirror INTEGER NOT NULL)",
)

_HEADER = b"SQLite format 3\0" + PAGE.to_bytes(2, "big") + b"\1\1\0"
"""Magic number, page size, rollback journal for writing and reading, and no reserved bytes."""

BUSY_SECONDS = 5.0
"""Seconds to wait for other processes by default."""

_CHECK_EVERY = 5000
"""SQLite instructions between two checks for interruption: a millisecond or less."""

_ENVIRONMENT = ("interrupted", "locked", "disk i/o", "full", "readonly", "unable to open", "out of memory", "too big")


class Malformed(Exception):  # noqa: N818 - describes the file
    """The file is not an intact spool of this format."""


class Repair(NamedTuple):
    """How a damaged file was repaired.

    Attributes:
        why: What is wrong with the file.
        aside: Where the file is now; None if it was not moved.
        saved: Events that could be read.
        lost: Events that could not; None if unknown.
    """

    why: str
    aside: Path | None
    saved: int
    lost: int | None

    def describe(self) -> str:
        """Return a description for an error message."""
        where = "" if self.aside is None else f"; the damaged file is kept as {self.aside.name!r}"
        lost = "an unknown number lost" if self.lost is None else f"{self.lost} lost"
        return f"{self.why}: {self.saved} event(s) recovered, {lost}{where}"


class TimeBudget:
    """How long operations on the file may take.

    Args:
        should_interrupt: Returns whether to interrupt a long statement.

    Attributes:
        busy_timeout: Seconds to wait for other processes.
        is_closing: Whether to skip checks, because the client is closing.
    """

    def __init__(self, should_interrupt: Callable[[], bool]) -> None:
        self.should_interrupt = should_interrupt
        self.busy_timeout = BUSY_SECONDS
        self.is_closing = False


class Connection(sqlite3.Connection):
    """A connection with a time budget."""

    budget = TimeBudget(lambda: False)


class ForeignDatabaseError(SegOpsConfigError):
    """The file is a database of another program."""


def connect(path: Path, budget: TimeBudget = Connection.budget) -> tuple[sqlite3.Connection, Repair | None]:
    """Open the spool. A damaged file is set aside, and the readable batches are copied to a new one.

    Raises:
        SegOpsConfigError: The file is open to other users, or is a database of another program.
        sqlite3.Error: The disk or the file system fails.
        OSError: The same.
    """
    create(path)
    lock = Lock.acquire(path.with_name(f"{path.name}-opening"), budget.busy_timeout)
    if lock is None:
        raise sqlite3.OperationalError("the spool is locked: another process is opening it")
    try:
        try:
            was_emptied = path.stat().st_size == 0 and not budget.is_closing and has_dead_lease(path)
            connection = _open(path, budget)
            if was_emptied:
                return connection, Repair("it is empty, although ended processes have used it", None, 0, None)
            return connection, None if budget.is_closing else _counted(connection)
        except Malformed as error:
            return _replace(path, str(error), budget)
    finally:
        lock.release(remove=False)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or roll back if it raises."""
    _begin(connection)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # SQLite rolls back by itself after some errors
            connection.execute("ROLLBACK")


def _begin(connection: sqlite3.Connection) -> None:
    """Begin a write transaction once no other process has one.

    SQLite's own pauses grow to 100 ms, in which a process that commits continuously takes the lock again. Short random
    pauses find a gap.
    """
    budget = connection.budget if isinstance(connection, Connection) else Connection.budget
    started = monotonic()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or monotonic() > started + budget.busy_timeout:
                    raise
                time.sleep(random.uniform(0.0005, 0.005))  # noqa: S311 - not for secrets
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout = {budget.busy_timeout * 1000:.0f}")


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Insert a row."""
    values = [getattr(record, name) for name in record.__struct_fields__]
    connection.execute(f"INSERT INTO batches ({COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608 - names of ours
    count(connection, record.events)


def count(connection: sqlite3.Connection, events: int) -> None:
    """Add to the count of stored events."""
    connection.execute("UPDATE totals SET held = held + ?, mirror = mirror - ?", (events, events))


def _open(path: Path, budget: TimeBudget) -> sqlite3.Connection:
    is_new = _check_header(path)
    connection = sqlite3.connect(
        path, timeout=budget.busy_timeout, isolation_level=None, check_same_thread=False, factory=Connection
    )
    try:
        connection.budget = budget
        connection.set_progress_handler(budget.should_interrupt, _CHECK_EVERY)
        if is_new:
            connection.execute(f"PRAGMA page_size={PAGE}")
        # With a persistent journal, rows can be deleted to make room even if the disk is full.
        connection.execute("PRAGMA journal_mode=PERSIST")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.text_factory = lambda text: text.decode("utf-8", "replace")  # checksums reveal damage
        with transaction(connection):
            _check(connection, budget)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error) and is_damage(error):
            raise Malformed(str(error)) from error
        raise
    return connection


def is_damage(error: Exception) -> bool:
    """Return whether the file is damaged, rather than the disk failing, by message: Python 3.10 has no error codes."""
    return isinstance(error, sqlite3.DatabaseError) and not any(word in str(error).lower() for word in _ENVIRONMENT)


def _check_header(path: Path) -> bool:
    """Return whether the file is empty.

    SQLite takes some damage for a file that is read-only or in WAL mode. Closing the file here releases the locks of
    this process, which holds none between transactions.

    Raises:
        Malformed: The file does not begin as a spool does.
    """
    with path.open("rb") as file:
        header = file.read(len(_HEADER))
    if header not in (b"", _HEADER):
        raise Malformed("not a spool: its header differs")
    return not header


def _check(connection: sqlite3.Connection, budget: TimeBudget) -> None:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master ORDER BY rowid")]
    if not tables and (owner, version) == (0, 0):
        for table in TABLES:
            connection.execute(table)
        connection.execute("INSERT INTO totals VALUES (0, 0)")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        return
    if owner != APPLICATION_ID and not set(TABLES).intersection(tables):
        raise ForeignDatabaseError("the file is a database of another program: give the spool a file of its own")
    if version != VERSION:
        raise Malformed(f"its format is {version}, but this version of segops reads {VERSION}")
    if (owner, tables) != (APPLICATION_ID, list(TABLES)):
        raise Malformed("not a spool: its tables differ")
    if budget.is_closing:
        return
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise Malformed(str(verdict))


def _counted(connection: sqlite3.Connection) -> Repair | None:
    try:
        return _count_again(connection)
    except BaseException:
        connection.close()
        raise


def _count_again(connection: sqlite3.Connection) -> Repair | None:
    """Compare the rows with the count of events: damage may remove a row without a trace."""
    with transaction(connection):
        (there,) = connection.execute("SELECT coalesce(sum(events), 0) FROM batches").fetchone()
        (held, mirror) = connection.execute("SELECT held, mirror FROM totals").fetchone() or (0, 1)
        if (held, mirror) == (there, -there):
            return None
        connection.execute("DELETE FROM totals")
        connection.execute("INSERT INTO totals VALUES (?, ?)", (there, -there))
    if held != -mirror:
        return Repair("the count of events is damaged", None, there, None)
    return Repair("rows are missing", None, there, held - there) if held > there else None


def _replace(path: Path, why: str, budget: TimeBudget) -> tuple[sqlite3.Connection, Repair]:
    aside = path.with_name(f"{path.name}.bad-{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}")
    path.rename(aside)
    journal = path.with_name(f"{path.name}-journal")
    if journal.exists():
        journal.rename(aside.with_name(f"{aside.name}-journal"))  # it may contain half of the data
    create(path)
    connection = _open(path, budget)
    records, held = salvage(aside, first_page=path)
    with transaction(connection):
        for record in records:
            insert(connection, record)
    saved = sum(record.events for record in records)
    return connection, Repair(why, aside, saved, None if held is None else max(0, held - saved))
