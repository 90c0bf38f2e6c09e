"""The database of a spool: opened, checked, and set aside if it is bad.

Rollback journal, never WAL, and `synchronous=FULL`: what is committed survives a kill and a loss of power.
Source: design.md, decision 10; fault-matrix.md, rows 36 to 43.
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
from segops.spool.files import Lock, create
from segops.spool.record import COLUMNS, Record
from segops.spool.salvage import PAGE, salvage
from segops.utils import monotonic

APPLICATION_ID = 0x5E60_0900
VERSION = 1

TABLES = (
    """CREATE TABLE batches (place INTEGER PRIMARY KEY, key TEXT NOT NULL, path TEXT NOT NULL, owner TEXT,
    events INTEGER NOT NULL, created_at REAL NOT NULL, checksum INTEGER NOT NULL, lease TEXT NOT NULL,
    position INTEGER NOT NULL, attempts INTEGER NOT NULL, body BLOB NOT NULL)""",
    # The number of events in all rows, twice: the sum tells of rows that are gone, the two of a sum that is wrong.
    "CREATE TABLE totals (held INTEGER NOT NULL, mirror INTEGER NOT NULL)",
)

_HEADER = b"SQLite format 3\0" + PAGE.to_bytes(2, "big") + b"\1\1\0"
"""Magic, page size, rollback journal for writing and for reading, no reserved bytes."""

BUSY_SECONDS = 5.0
"""Seconds that other processes are waited for in general."""

_CHECK_EVERY = 5000
"""Instructions of SQLite between two looks for whether to break a statement off: a millisecond or less."""

_ENVIRONMENT = ("interrupted", "locked", "disk i/o", "full", "readonly", "unable to open", "out of memory", "too big")


class Malformed(Exception):  # noqa: N818 - it says what the file is
    """The file is no sound spool of this format."""


class Repair(NamedTuple):
    """What was done about a bad file.

    Attributes:
        why: What is wrong with it.
        aside: Where it is now; None if it could stay.
        saved: How many of its events could be read.
        lost: How many are gone; None if that cannot be told.
    """

    why: str
    aside: Path | None
    saved: int
    lost: int | None

    def describe(self) -> str:
        """Return it in words."""
        where = "" if self.aside is None else f"; it is kept as {self.aside.name!r}"
        lost = "how many could not cannot be told" if self.lost is None else f"{self.lost} not"
        return f"{self.why}: {self.saved} event(s) could be read, {lost}{where}"


class Haste:
    """How long one process may take in the file.

    Args:
        breaks_off: Tells whether to break a long statement off.

    Attributes:
        patience: Seconds to wait for other processes.
        is_hurried: Whether to leave checks to the next process.
    """

    def __init__(self, breaks_off: Callable[[], bool]) -> None:
        self.breaks_off = breaks_off
        self.patience = BUSY_SECONDS
        self.is_hurried = False


class Connection(sqlite3.Connection):
    """A connection that knows how long it may take."""

    haste = Haste(lambda: False)


class ForeignDatabaseError(SegOpsConfigError):
    """The file is the database of another program."""


def connect(path: Path, haste: Haste = Connection.haste) -> tuple[sqlite3.Connection, Repair | None]:
    """Open the spool. A file that is bad is set aside, and what can be read of it is taken over.

    Raises:
        SegOpsConfigError: It is not safe there, or is another program's database.
        sqlite3.Error: The disk or the file system refuses.
        OSError: They refuse.
    """
    create(path)
    lock = Lock.acquire(path.with_name(f"{path.name}-opening"), haste.patience)
    if lock is None:
        raise sqlite3.OperationalError("the spool is locked: another process is opening it")
    try:
        try:
            connection = _open(path, haste)
            return connection, None if haste.is_hurried else _counted(connection)
        except Malformed as error:
            return _replace(path, str(error), haste)
    finally:
        lock.release(remove=False)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Store everything that the block writes, or, if it raises, nothing of it."""
    _begin(connection)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # after some errors SQLite has rolled back on its own
            connection.execute("ROLLBACK")


def _begin(connection: sqlite3.Connection) -> None:
    """Begin to write, once other processes let us.

    SQLite's own pauses grow to 100 ms; a process that commits without a break takes the lock in each of them. Short
    ones of no fixed length find a gap.
    """
    haste = connection.haste if isinstance(connection, Connection) else Connection.haste
    started = monotonic()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or monotonic() > started + haste.patience:
                    raise
                time.sleep(random.uniform(0.0005, 0.005))  # noqa: S311 - nothing is kept secret by it
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout = {haste.patience * 1000:.0f}")


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Add a row."""
    values = [getattr(record, name) for name in record.__struct_fields__]
    connection.execute(f"INSERT INTO batches ({COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608 - names of ours
    count(connection, record.events)


def count(connection: sqlite3.Connection, events: int) -> None:
    """Note that so many events were added."""
    connection.execute("UPDATE totals SET held = held + ?1, mirror = mirror - ?1", (events,))


def _open(path: Path, haste: Haste) -> sqlite3.Connection:
    is_new = _check_header(path)
    connection = sqlite3.connect(
        path, timeout=haste.patience, isolation_level=None, check_same_thread=False, factory=Connection
    )
    try:
        connection.haste = haste
        connection.set_progress_handler(haste.breaks_off, _CHECK_EVERY)
        if is_new:
            connection.execute(f"PRAGMA page_size={PAGE}")
        # Persistent: rows can be deleted, which makes room, though the disk is too full for a journal.
        connection.execute("PRAGMA journal_mode=PERSIST")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.text_factory = lambda text: text.decode("utf-8", "replace")  # what is damaged, its checksum tells
        with transaction(connection):
            _check(connection, haste)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error) and is_damage(error):
            raise Malformed(str(error)) from error
        raise
    return connection


def is_damage(error: Exception) -> bool:
    """Tell a bad file from a bad disk, by the message: before Python 3.11 errors carry no code."""
    return isinstance(error, sqlite3.DatabaseError) and not any(word in str(error).lower() for word in _ENVIRONMENT)


def _check_header(path: Path) -> bool:
    """Say whether the file is empty.

    SQLite itself would take some damage for a file that is read-only or in WAL mode. To close the file here does no
    harm: it releases the locks of this process, which holds none between its transactions.

    Raises:
        Malformed: It begins otherwise than a spool.
    """
    with path.open("rb") as file:
        header = file.read(len(_HEADER))
    if header not in (b"", _HEADER):
        raise Malformed("its header is not that of a spool")
    return not header


def _check(connection: sqlite3.Connection, haste: Haste) -> None:
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
        raise ForeignDatabaseError("the spool's file is the database of another program: give the spool one of its own")
    if version != VERSION:
        raise Malformed(f"its format is {version}, and this version of segops reads {VERSION}")
    if (owner, tables) != (APPLICATION_ID, list(TABLES)):
        raise Malformed("its tables are not those of a spool")
    if haste.is_hurried:
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
    """Compare the rows with how many events there should be: damage may take a row without leaving a trace."""
    with transaction(connection):
        (there,) = connection.execute("SELECT coalesce(sum(events), 0) FROM batches").fetchone()
        (held, mirror) = connection.execute("SELECT held, mirror FROM totals").fetchone() or (0, 1)
        if (held, mirror) == (there, -there):
            return None
        connection.execute("DELETE FROM totals")
        connection.execute("INSERT INTO totals VALUES (?1, -?1)", (there,))
    if held != -mirror:
        return Repair("its count of events is damaged", None, there, None)
    return Repair("its rows are not those that were stored", None, there, held - there) if held > there else None


def _replace(path: Path, why: str, haste: Haste) -> tuple[sqlite3.Connection, Repair]:
    aside = path.with_name(f"{path.name}.bad-{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}")
    path.rename(aside)
    journal = path.with_name(f"{path.name}-journal")
    if journal.exists():
        journal.rename(aside.with_name(f"{aside.name}-journal"))  # it may hold the half of the file
    create(path)
    connection = _open(path, haste)
    records, held = salvage(aside, first_page=path)
    with transaction(connection):
        for record in records:
            insert(connection, record)
    saved = sum(record.events for record in records)
    return connection, Repair(why, aside, saved, None if held is None else max(0, held - saved))
