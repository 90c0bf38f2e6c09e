"""The spool as a client sees it: it never raises. What the disk refuses stays in memory."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from segops.core import Accounts, Batch, Claim, Clock, Limits, SegOpsError, SegOpsSpoolError
from segops.spool.database import is_damage
from segops.spool.files import Lock
from segops.spool.record import ADOPTED, owner_text
from segops.spool.store import Store

_T = TypeVar("_T")

_LOOK_EVERY = 30.0
"""Seconds between two looks for what other processes left, and after which a disk that failed is tried again."""

_lock = threading.RLock()
"""Held whenever SQLite is in use, and across a fork: a mutex of SQLite that is held then would stay so in the child."""

_FORK_PATIENCE = 5.0

_spools: weakref.WeakSet[DiskSpool] = weakref.WeakSet()
_forking: list[tuple[bool, list[DiskSpool]]] = []


class DiskSpool:
    """Keeps batches in an SQLite file until the server takes them.

    Several processes may share a file. Each holds its own batches under a lease that ends with the process, and takes
    over what was left by those that are gone.

    Args:
        path: The file.
        accounts: Is told what comes and goes.
        clock: The clocks.
        limits: How much it keeps, and for how long.
        always: Whether batches are stored before they are sent, rather than when they cannot be.
        owned: Whether the client has a public key: batches that others left for a key of the other kind are left alone.
    """

    def __init__(
        self, path: Path, accounts: Accounts, clock: Clock, *, limits: Limits, always: bool, owned: bool
    ) -> None:
        self.always = always
        self._path = path
        self._limits = limits
        self._owned = owned
        self._accounts = accounts
        self._clock = clock
        self._store: Store | None = None
        self._lease: Lock | None = None
        self._held = 0  # events in rows of ours, those on their way included
        self._out: dict[int, int] = {}  # events by place, of batches on their way
        self._done: set[int] = set()  # places of batches whose fate is known, but whose rows could not be deleted
        self._look_at = 0.0
        self._suspended_until = 0.0
        self._was_tried = False
        self._is_failing = False
        self._is_closed = False
        _spools.add(self)

    def keep(self, batches: Sequence[Batch]) -> None:
        """Store batches; one that is stored gets its row. Those that have one already were sent in vain."""
        known = {batch.row: batch for batch in batches if batch.row is not None}
        fresh = [batch for batch in batches if batch.row is None]
        for place in known:
            self._out.pop(place, None)
        self._try(lambda store: self._keep(store, list(known.values()), fresh), None)

    def take(self, blocked: Collection[Claim]) -> Batch | None:
        """Return the first batch whose claim is not blocked; it stays stored until it is removed."""
        if self._store is None and not self._held and not self._is_there():
            return None
        owners = set(map(owner_text, blocked))
        return self._try(lambda store: self._take(store, owners), None)

    def remove(self, batch: Batch) -> None:
        """Delete a batch whose fate is known."""
        self._settle(batch)
        self._try(self._delete_done, None)

    def split(self, batch: Batch, parts: Sequence[Batch]) -> None:
        """Put two parts of a batch in its place; if that fails they get no rows."""
        self._try(lambda store: self._split(store, batch, parts), None)
        if parts[0].row is None:
            self._settle(batch)
        elif batch.row is not None:
            del self._out[batch.row]

    def position(self, blocked: Collection[Claim] = ()) -> int | None:
        """Return where the first batch starts whose claim is not blocked; None without one, -1 if it cannot be told."""
        if not self._held:
            return ADOPTED if not self._was_tried and self._is_there() else None
        owners = set(map(owner_text, blocked))
        unknown: int | None = ADOPTED
        return self._try(lambda store: store.position(self._done, owners), unknown)

    def close(self) -> None:
        """Let go of the file and of the batches in it: they are for the next process."""
        if self._done:
            self._suspended_until = 0.0
            self._try(self._delete_done, None)
        with _lock:
            self._is_closed = True
            if self._lease is not None:
                self._lease.release(remove=not self._held and not self._done)
            if self._store is not None:
                self._store.close()

    def abandon(self) -> None:
        """Let go of what a forked child cannot use; all of it stays with the parent."""
        self._is_closed = True
        if self._lease is not None:
            self._lease.abandon()
        if self._store is not None:
            self._store.close()

    def _is_there(self) -> bool:
        """Tell whether there is a file; False if that cannot be told, as in a directory that may not be searched."""
        return os.path.exists(self._path)  # noqa: PTH110 - that of Path may raise a PermissionError

    def _try(self, action: Callable[[Store], _T], otherwise: _T) -> _T:
        with _lock:
            if self._is_closed or self._clock.monotonic() < self._suspended_until:
                return otherwise
            self._was_tried = True
            try:
                try:
                    return action(self._ready())
                except sqlite3.DatabaseError as error:
                    if not is_damage(error):
                        raise
                    self._forget_store()  # to open it again is to repair it
                    return action(self._ready())
            except (sqlite3.Error, OSError, SegOpsError) as error:
                self._suspend(error)
                return otherwise

    def _suspend(self, error: Exception) -> None:
        self._forget_store()
        self._suspended_until = self._clock.monotonic() + _LOOK_EVERY
        if self._is_failing:
            return
        self._is_failing = True
        if not isinstance(error, SegOpsError):
            error = SegOpsSpoolError(
                f"the spool {str(self._path)!r} cannot be used ({error}): events wait in memory until it can"
            )
        self._accounts.failed(error)

    def _forget_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _ready(self) -> Store:
        if self._store is None:
            self._store = self._open()
            self._look(self._store, everywhere=True)
        elif self._clock.monotonic() >= self._look_at:
            self._look(self._store, everywhere=False)
        return self._store

    def _open(self) -> Store:
        if self._lease is not None and not self._lease.path.exists():  # it went with its directory
            self._lease.abandon()
            self._lease = None
        store = Store(self._path, self._lease)
        self._lease = store.lock
        known = self._held
        if known:
            self._audit(store)
        if store.repair is not None:
            self._accounts.failed(SegOpsSpoolError(f"the spool {str(self._path)!r} was bad: {store.repair.describe()}"))
            self._lose_foreign(store.repair.lost - (known - self._held))
        return store

    def _look(self, store: Store, *, everywhere: bool) -> None:
        """Take over what others left, and let go of what is too old."""
        self._look_at = self._clock.monotonic() + _LOOK_EVERY
        adopted = store.adopt(owned=self._owned, everywhere=everywhere)
        self._accounts.adopted(adopted.events - adopted.corrupt)
        self._held += adopted.events - adopted.corrupt
        self._lose_foreign(adopted.corrupt)
        self._trim(store)
        store.shrink()

    def _lose_foreign(self, count: int) -> None:
        if count > 0:
            self._accounts.adopted(count)
            self._accounts.lost(count, "corrupt", "they were damaged in the spool")

    def _keep(self, store: Store, known: Sequence[Batch], fresh: Sequence[Batch]) -> None:
        if known:
            store.note_attempts(known)
        if fresh:
            for batch, place in zip(fresh, store.put(fresh, self._clock.time()), strict=True):
                batch.row = place
                self._held += batch.count
            self._is_failing = False
            self._trim(store)

    def _take(self, store: Store, blocked: Collection[str]) -> Batch | None:
        while True:
            place = store.find(self._out.keys() | self._done, blocked)
            if place is None:
                if not blocked and self._held > sum(self._out.values()):
                    self._audit(store)
                return None
            try:
                batch = store.read(place)
            except ValueError:
                self._audit(store)
                continue
            self._out[place] = batch.count
            return batch

    def _split(self, store: Store, batch: Batch, parts: Sequence[Batch]) -> None:
        for part, place in zip(parts, store.split(batch, parts), strict=True):
            part.row = place

    def _settle(self, batch: Batch) -> None:
        if batch.row is not None:
            self._out.pop(batch.row, None)
            self._done.add(batch.row)
            self._held -= batch.count

    def _delete_done(self, store: Store) -> None:
        if self._done:
            store.delete(self._done)
            self._done.clear()

    def _trim(self, store: Store) -> None:
        age, most = self._limits.spool_age, self._limits.spool_bytes
        lost = store.trim(self._out.keys() | self._done, most, self._clock.time() - age)
        if lost:
            self._held -= lost
            hours, size = age / 3600, most / 2**20
            self._accounts.lost(lost, "undeliverable", f"the spool keeps {size:.0f} MiB for {hours:.0f} h")

    def _audit(self, store: Store) -> None:
        """Count what is there of what should be: whatever happened to the file, this is what was lost."""
        there = store.audit(self._out.keys() | self._done)
        lost = self._held - sum(self._out.values()) - there
        self._held -= lost
        if lost > 0:
            self._accounts.lost(lost, "corrupt", "they were damaged in the spool")


def _before_fork() -> None:
    _forking.append((_lock.acquire(timeout=_FORK_PATIENCE), list(_spools)))


def _after_fork_in_parent() -> None:
    is_locked, _ = _forking.pop()
    if is_locked:
        _lock.release()


def _after_fork_in_child() -> None:
    is_locked, spools = _forking.pop()
    if is_locked:  # if not, a disk hangs, and so would whoever touches these now
        for spool in spools:  # not those that the child has made meanwhile
            spool.abandon()
        _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
