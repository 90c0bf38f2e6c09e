"""Inspect, export, and purge a spool from outside the client."""

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
    """A stored batch, without its events.

    Attributes:
        key: The Idempotency-Key of its request.
        events: Events in the batch.
        bytes: Size of the events.
        created_at: When it was stored, as Unix time in seconds.
        attempts: Failed delivery attempts.
        key_kind: The type of key that it is sent with: "secret" or "public".
        is_held: Whether a running process will send it.
        is_sound: Whether its checksum is right.
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
    """Return the stored batches in sending order.

    Raises:
        SegOpsConfigError: The file does not exist, or is open to other users.
        SegOpsSpoolError: The file is damaged, or the disk fails.
    """
    with _opened(path) as connection:
        running: dict[str, bool] = {}
        return [_describe(path, record, running) for record in _records(connection)]


def export_spool(path: Path) -> Iterator[bytes]:
    """Yield the intact events as JSON in sending order, and keep them.

    Raises:
        SegOpsConfigError: The file does not exist, or is open to other users.
        SegOpsSpoolError: The file is damaged, or the disk fails.
    """
    with _opened(path) as connection:
        for record in _records(connection):
            if record.is_sound:
                yield from record.body.split(b"\n")


def purge_spool(path: Path) -> tuple[int, int]:
    """Delete the batches that no running process holds, and return the deleted and the remaining events.

    Raises:
        SegOpsConfigError: The file does not exist, or is open to other users.
        SegOpsSpoolError: The file is damaged, or the disk fails.
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
        raise SegOpsConfigError(f"spool {str(path)!r} does not exist: pass the path that the client uses")
    check_path(path)
    try:
        with closing(sqlite3.connect(path, timeout=5.0, isolation_level=None)) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            yield connection
    except sqlite3.Error as error:
        raise SegOpsSpoolError(
            f"cannot read spool {str(path)!r} ({error}): if it is damaged, run `segops spool send`, which sets the "
            "file aside and recovers the intact batches"
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
