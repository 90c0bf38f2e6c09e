"""The batches of one process in a spool. Any operation may raise sqlite3.Error or OSError."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Collection, Generator, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from segops.core import ADOPTED, Batch
from segops.spool import database
from segops.spool.database import Connection, TimeBudget, count, insert, transaction
from segops.spool.files import Lock, is_lease, lease_path, leases, new_lease
from segops.spool.record import COLUMNS, Record, read_row, record_of
from segops.utils import monotonic

_STRIDE = 1024
"""Free places behind a batch for its parts: 500 events can be halved nine times."""

_STEP = 0.02
"""Seconds per step of adopting batches of other processes."""

_SHRUNK = 256
"""Pages that an empty file may keep."""


class Adopted(NamedTuple):
    """The result of one step of adoption.

    Attributes:
        events: Adopted events, including damaged ones.
        corrupt: Events in damaged batches, which are deleted.
    """

    events: int
    corrupt: int


class Store:
    """The batches under the lease of this process, in sending order.

    Args:
        path: The file.
        lock: The lease, if this process had the file open before.
        budget: The time budget.

    Attributes:
        lock: The lease.
        repair: How the file was repaired when it was opened.
    """

    def __init__(self, path: Path, lock: Lock | None = None, budget: TimeBudget = Connection.budget) -> None:
        self._path = path
        self._connection, self.repair = database.connect(path, budget)
        if lock is None:
            lease = lease_path(path, new_lease())
            lock = Lock.acquire(lease)
            if lock is None:
                raise sqlite3.OperationalError(f"the lease {str(lease)!r} is locked by another process")
        self.lock = lock
        self._lease = lock.path.name.rpartition("-")[2]

    def close(self) -> None:
        """Close the file and keep the lease."""
        self._connection.close()

    def put(self, batches: Iterable[Batch], now: float) -> list[int]:
        """Store batches behind all others, all or none, and return their places."""
        with transaction(self._connection):
            (last,) = self._connection.execute("SELECT coalesce(max(place), 0) FROM batches").fetchone()
            records = [
                record_of(batch, place=last + number * _STRIDE, lease=self._lease, now=now)
                for number, batch in enumerate(batches, start=1)
            ]
            for record in records:
                insert(self._connection, record)
        return [record.place for record in records]

    def split(self, batch: Batch, parts: Sequence[Batch]) -> list[int]:
        """Replace a batch with two parts, and return their places."""
        place = batch.row or 0
        with transaction(self._connection):
            (created_at,) = self._connection.execute(
                "SELECT created_at FROM batches WHERE place = ?", (place,)
            ).fetchone() or (0.0,)
            (after,) = self._connection.execute("SELECT min(place) FROM batches WHERE place > ?", (place,)).fetchone()
            places = [place, (place + (after or place + _STRIDE)) // 2]
            self._delete(place)
            for where, part in zip(places, parts, strict=True):
                insert(self._connection, record_of(part, place=where, lease=self._lease, now=created_at))
        return places

    def find(self, skipped: Collection[int], blocked: Collection[str | None]) -> int | None:
        """Return the place of the first batch, except at skipped places and of blocked owners."""
        found = self._first(skipped, blocked)
        return None if found is None else found[0]

    def position(self, skipped: Collection[int], blocked: Collection[str | None]) -> int | None:
        """Return the `start` of the same batch."""
        found = self._first(skipped, blocked)
        return None if found is None else found[1]

    def _first(self, skipped: Collection[int], blocked: Collection[str | None]) -> tuple[int, int] | None:
        rows = self._connection.execute(
            "SELECT place, position, owner FROM batches WHERE lease = ? ORDER BY place", (self._lease,)
        )
        for place, position, owner in rows:
            if place not in skipped and owner not in blocked:
                return place, position
        return None

    def read(self, place: int) -> Batch:
        """Return the batch at a place.

        Raises:
            ValueError: The batch is damaged.
        """
        row = self._connection.execute(f"SELECT {COLUMNS} FROM batches WHERE place = ?", (place,)).fetchone()  # noqa: S608 - names of ours
        record = None if row is None else read_row(row)
        if record is None:
            raise ValueError(f"the batch at place {place} cannot be read")
        return record.batch()

    def delete(self, places: Iterable[int]) -> None:
        """Delete batches."""
        with transaction(self._connection):
            for place in places:
                self._delete(place)

    def note_attempts(self, batches: Iterable[Batch]) -> None:
        """Store the failed attempts of batches."""
        with transaction(self._connection):
            for batch in batches:
                self._connection.execute("UPDATE batches SET attempts = ? WHERE place = ?", (batch.attempts, batch.row))

    def trim(self, skipped: Collection[int], max_bytes: int, oldest: float) -> int:
        """Delete this process's batches that are too old, and the oldest ones while the file is too large.

        Args:
            skipped: Places of batches that are being sent.
            max_bytes: Maximum size of the file.
            oldest: Delete batches stored before this Unix time.

        Returns:
            The number of deleted events.
        """
        if not self._is_too_large(max_bytes) and not self._is_older(oldest):
            return 0
        lost = 0
        with transaction(self._connection):
            rows = self._connection.execute(
                "SELECT place, events, created_at FROM batches WHERE lease = ? ORDER BY place", (self._lease,)
            ).fetchall()
            for place, events, created_at in rows:
                if place not in skipped and (created_at < oldest or self._is_too_large(max_bytes)):
                    self._delete(place)
                    lost += int(events)
        return lost

    def shrink(self) -> None:
        """Shrink the file after a long outage, once it is empty."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        if pages > _SHRUNK and self._connection.execute("SELECT 1 FROM batches LIMIT 1").fetchone() is None:
            self._connection.execute("VACUUM")

    def adoption(self, *, owned: bool, everywhere: bool) -> Generator[Adopted, None, None]:
        """Take over the batches of processes that have ended, in small steps, so that others can write in between.

        Args:
            owned: Whether to adopt batches with an owner, for a public key, or those without, for a secret key.
            everywhere: Whether to adopt batches whose lease file is missing, too.

        Yields:
            The result of each step.
        """
        dead: dict[str, Lock | None] = {}  # None: the process is running
        for lease in set(leases(self._path)) - {self._lease}:
            dead[lease] = Lock.acquire(lease_path(self._path, lease))
        others: set[str] = set()  # leases with batches that are left
        place: int | None = -sys.maxsize
        try:
            while place is not None and (everywhere or any(dead.values())):
                adopted, place = self._adopt(place, dead, others, owned=owned, everywhere=everywhere)
                yield adopted
        except BaseException:
            others.update(dead)
            raise
        finally:
            for lease, lock in dead.items():
                if lock is not None:
                    lock.release(remove=False)
                    if lease not in others:
                        lock.path.unlink(missing_ok=True)

    def audit(self, skipped: Collection[int]) -> int:
        """Delete this process's damaged batches, and return the events in the intact ones."""
        with transaction(self._connection):
            sound, _ = self._weed("lease = ?", self._lease, skipped)
        return sound

    def _adopt(
        self, after: int, dead: dict[str, Lock | None], others: set[str], *, owned: bool, everywhere: bool
    ) -> tuple[Adopted, int | None]:
        """Adopt batches behind a place for a short time; return where to continue, or None at the end."""
        end = monotonic() + _STEP
        sound: list[Record] = []
        corrupt: list[tuple[int, int]] = []
        last: int | None = None
        with transaction(self._connection):
            rows = self._connection.execute(f"SELECT {COLUMNS} FROM batches WHERE place > ? ORDER BY place", (after,))  # noqa: S608 - names of ours
            for row in rows:
                place, owner, lease = row[0], row[3], row[7]
                if lease != self._lease and self._is_dead(lease, dead, everywhere=everywhere):
                    record = read_row(row)
                    if (owner is not None) is not owned:
                        others.add(lease)
                    elif record is not None and record.is_sound:
                        sound.append(msgspec.structs.replace(record, body=b""))
                    else:
                        corrupt.append((place, 1 if record is None else record.kept_events))
                if monotonic() > end:
                    last = place
                    break
            rows.close()
            self._connection.executemany(
                "UPDATE batches SET lease = ?, position = ? WHERE place = ?",
                [(self._lease, ADOPTED, record.place) for record in sound],
            )
            for place, _ in corrupt:
                self._delete(place)
        damaged = sum(events for _, events in corrupt)
        return Adopted(sum(record.events for record in sound) + damaged, damaged), last

    def _is_dead(self, lease: object, dead: dict[str, Lock | None], *, everywhere: bool) -> bool:
        if not isinstance(lease, str) or not is_lease(lease):
            return everywhere  # damaged: no process owns it
        if lease not in dead and everywhere:
            dead[lease] = Lock.acquire(lease_path(self._path, lease))
        return dead.get(lease) is not None

    def _weed(self, condition: str, lease: str, skipped: Collection[int]) -> tuple[int, int]:
        """Delete damaged rows, and return the events in the intact and in the damaged ones."""
        sound = corrupt = 0
        bad: list[int] = []
        rows = self._connection.execute(f"SELECT {COLUMNS} FROM batches WHERE {condition}", (lease,))  # noqa: S608 - texts of ours
        for row in rows:
            record = read_row(row)
            if row[0] in skipped:
                continue
            if record is not None and record.is_sound:
                sound += record.events
            else:
                corrupt += 1 if record is None else record.kept_events
                bad.append(row[0])
        for place in bad:
            self._delete(place)
        return sound, corrupt

    def _delete(self, place: int) -> None:
        row = self._connection.execute("SELECT events FROM batches WHERE place = ?", (place,)).fetchone()
        if row is not None:
            count(self._connection, -row[0] if isinstance(row[0], int) else 0)
            self._connection.execute("DELETE FROM batches WHERE place = ?", (place,))

    def _is_too_large(self, max_bytes: int) -> bool:
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return bool((pages - free) * size > max_bytes)

    def _is_older(self, oldest: float) -> bool:
        row = self._connection.execute(
            "SELECT created_at FROM batches WHERE lease = ? ORDER BY place LIMIT 1", (self._lease,)
        ).fetchone()
        return row is not None and isinstance(row[0], float) and row[0] < oldest
