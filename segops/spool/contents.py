"""A look into a spool from outside: what waits in it, all of it, and its end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from segops.core import SegOpsConfigError, SegOpsSpoolError
from segops.spool.database import count, transaction
from segops.spool.files import Lock, check_path, is_lease, lease_path
from segops.spool.record import COLUMNS, Record, read_row


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A batch in a spool, without what is in it.

    Attributes:
        key: The Idempotency-Key that it is sent with.
        events: How many events it holds.
        bytes: Their size.
        created_at: When it was stored, in unix seconds.
        attempts: How often it was sent in vain.
        key_kind: Which kind of key it needs: "secret", or "public" for one that is sent as a user.
        is_held: Whether a running process will send it.
        is_sound: Whether it is what was stored.
    """

    key: str
    events: int
    bytes: int
    created_at: float
    attempts: int
    key_kind: str
    is_held: bool
    is_sound: bool


def inspect_spool(path: Path) -> list[Waiting]:
    """Return what waits, in the order in which it will be sent.

    Raises:
        SegOpsConfigError: There is no spool, or it is not safe.
        SegOpsSpoolError: It is damaged as a whole, or the disk fails.
    """
    with _opened(path) as connection:
        running: dict[str, bool] = {}
        return [_describe(path, record, running) for record in _records(connection)]


def export_spool(path: Path) -> Iterator[bytes]:
    """Yield the sound events as JSON, in the order in which they will be sent; they stay.

    Raises:
        SegOpsConfigError: There is no spool, or it is not safe.
        SegOpsSpoolError: It is damaged as a whole, or the disk fails.
    """
    with _opened(path) as connection:
        for record in _records(connection):
            if record.is_sound:
                yield from record.body.split(b"\n")


def purge_spool(path: Path) -> tuple[int, int]:
    """Delete what no running process holds; return how many events went, and how many stay.

    Raises:
        SegOpsConfigError: There is no spool, or it is not safe.
        SegOpsSpoolError: It is damaged as a whole, or the disk fails.
    """
    gone = kept = 0
    with _opened(path) as connection:
        running: dict[str, bool] = {}
        with transaction(connection):
            for record in list(_records(connection)):
                if _is_running(path, record.lease, running):
                    kept += record.events
                    continue
                gone += record.events
                connection.execute("DELETE FROM batches WHERE place = ?", (record.place,))
                count(connection, -record.events)
        connection.execute("VACUUM")
    return gone, kept


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    path = path.absolute()
    if not path.exists():
        raise SegOpsConfigError(f"there is no spool {str(path)!r}: give the path that the client was given")
    check_path(path)
    try:
        with closing(sqlite3.connect(path, timeout=5.0, isolation_level=None)) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            yield connection
    except sqlite3.Error as error:
        raise SegOpsSpoolError(
            f"the spool {str(path)!r} cannot be read ({error}): if it is damaged, `segops spool send` sets it aside "
            "and saves what can be saved"
        ) from error


def _records(connection: sqlite3.Connection) -> Iterator[Record]:
    for row in connection.execute(f"SELECT {COLUMNS} FROM batches ORDER BY place"):  # noqa: S608 - names of ours
        record = read_row(row)
        if record is not None:
            yield record


def _describe(path: Path, record: Record, running: dict[str, bool]) -> Waiting:
    return Waiting(
        key=record.key,
        events=record.events,
        bytes=len(record.body),
        created_at=record.created_at,
        attempts=record.attempts,
        key_kind="secret" if record.owner is None else "public",
        is_held=_is_running(path, record.lease, running),
        is_sound=record.is_sound,
    )


def _is_running(path: Path, lease: str, known: dict[str, bool]) -> bool:
    if lease not in known:
        known[lease] = False
        if is_lease(lease) and lease_path(path, lease).exists():
            lock = Lock.acquire(lease_path(path, lease))
            known[lease] = lock is None
            if lock is not None:
                lock.release(remove=False)
    return known[lease]
