"""The disk spool. It never raises: what the disk does not accept stays in memory."""

from __future__ import annotations

import copy
import os
import sqlite3
import weakref
from collections.abc import Callable, Collection, Generator, Sequence
from pathlib import Path
from typing import TypeVar

from segops.core import ADOPTED, Batch, Claim, SegOpsError, SegOpsSpoolError, Spool, SpoolContext
from segops.spool.database import BUSY_SECONDS, TimeBudget, is_damage
from segops.spool.files import Lock, check_path
from segops.spool.record import owner_text
from segops.spool.store import Adopted, Store
from segops.utils import ForkLock, absolute_path, monotonic, parse_local_url

_T = TypeVar("_T")

_CHECK_INTERVAL = 30.0
"""Seconds between two searches for batches of other processes, and before a retry after a disk failure."""

_SHORT_TIMEOUT = 0.25
"""Seconds to wait for another process while events can be sent from memory."""

_LOCKED_PAUSE = 1.0
"""Seconds before a retry while another process has locked the file."""

_STEP = 0.05
"""Seconds that one step of adoption may delay delivery."""

_lock = ForkLock()
"""Held while SQLite is in use, and across a fork: the child would inherit a locked mutex of SQLite."""

_spools: weakref.WeakSet[DiskSpool] = weakref.WeakSet()
_forking: list[list[DiskSpool]] = []


class DiskSpool(Spool):
    """Keeps batches in an SQLite file until the server accepts them.

    Several processes may share a file. Each holds its own batches under a lease that ends with the process, and takes
    over the batches of processes that are gone.

    Args:
        path: The file.

    Raises:
        SegOpsConfigError: `path` is not a path, or the file or its directory is open to others or a symbolic link.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(absolute_path("spool", path))
        check_path(self._path)
        self._start()

    @classmethod
    def from_url(cls, url: str) -> DiskSpool:
        """Return the spool for a URL such as "file:///var/lib/shop/segops/spool.db".

        Raises:
            SegOpsConfigError: The URL does not name a file on this machine, or the path is refused as above.
        """
        return cls(parse_local_url(url, example="file:///var/lib/shop/spool.db", has_path=True).path)

    def open(self, context: SpoolContext) -> DiskSpool:
        """Return a spool with its own lease on the same file."""
        opened = copy.copy(self)
        opened._start()  # noqa: SLF001 - one of this class
        opened.context = context
        _spools.add(opened)
        return opened

    def _start(self) -> None:
        self._store: Store | None = None
        self._lease: Lock | None = None
        self._held = 0  # events in rows of this process, including those being sent
        self._out: dict[int, int] = {}  # events by place, of batches being sent
        self._done: set[int] = set()  # places of settled batches whose rows could not be deleted yet
        self._budget = TimeBudget(lambda: self._is_interrupted or _lock.is_wanted)
        self._is_interrupted = False
        self._adoption: Generator[Adopted, None, None] | None = None
        self._is_fresh = False
        self._next_check = 0.0
        self._locked_since: float | None = None
        self._suspended_until = 0.0
        self._was_tried = False
        self._is_failing = False
        self._is_closed = False

    def keep(self, batches: Sequence[Batch]) -> None:
        """Store batches and set their rows; those with a row failed again."""
        known = {batch.row: batch for batch in batches if batch.row is not None}
        fresh = [batch for batch in batches if batch.row is None]
        for place in known:
            self._out.pop(place, None)
        self._try(lambda store: self._keep(store, list(known.values()), fresh), None, BUSY_SECONDS)

    def take(self, blocked: Collection[Claim]) -> Batch | None:
        """Return the first batch whose claim is not blocked, and keep it stored."""
        self.advance()
        if self._store is None and not self._held and not self._is_there():
            return None
        owners = set(map(owner_text, blocked))
        return self._try(lambda store: self._take(store, owners), None)

    def remove(self, batch: Batch) -> None:
        """Delete a batch that is delivered or dropped."""
        self._settle(batch)
        self._try(self._delete_done, None)

    def split(self, batch: Batch, parts: Sequence[Batch]) -> None:
        """Replace a batch with its halves; if that fails, they get no rows."""
        self._try(lambda store: self._split(store, batch, parts), None)
        if parts[0].row is None:
            self._settle(batch)
        elif batch.row is not None:
            del self._out[batch.row]

    def position(self, blocked: Collection[Claim] = ()) -> int | None:
        """Return the `start` of the first batch whose claim is not blocked; `ADOPTED` if unknown."""
        if self.is_busy():
            return ADOPTED
        if not self._held:
            return ADOPTED if not self._was_tried and self._is_there() else None
        owners = set(map(owner_text, blocked))
        unknown: int | None = ADOPTED
        return self._try(lambda store: store.position(self._done, owners), unknown)

    def advance(self) -> None:
        """Adopt some batches of processes that have ended, for a few milliseconds."""
        if self._budget.is_closing or (self._store is None and not self._is_there()):
            return
        if self._store is None or self.is_busy() or self.context.clock.monotonic() >= self._next_check:
            self._try(self._advance, None)

    def is_busy(self) -> bool:
        """Return whether there is more to adopt."""
        return self._adoption is not None

    def hurry(self, patience: float) -> None:
        """Interrupt long statements, and wait at most `patience` seconds for other processes. Takes no lock."""
        self._budget.busy_timeout = patience
        self._budget.is_closing = True
        self._is_interrupted = True
        self._suspended_until = 0.0  # the last chance

    def close(self) -> None:
        """Close the file, and leave its batches to the next process."""
        if self._done:
            self._suspended_until = 0.0
            self._try(self._delete_done, None)
        with _lock:
            self._is_closed = True
            self._stop_adoption()
            if self._lease is not None:
                self._lease.release(remove=not self._held and not self._done)
            if self._store is not None:
                self._store.close()

    def abandon(self) -> None:
        """Close the file in a forked child, and leave all batches to the parent."""
        self._is_closed = True
        if self._lease is not None:
            self._lease.abandon()
        if self._store is not None:
            self._store.close()

    def _is_there(self) -> bool:
        """Return whether the file exists; False if unknown, as in a directory without permission."""
        return os.path.exists(self._path)  # noqa: PTH110 - Path.exists may raise PermissionError

    def _try(self, action: Callable[[Store], _T], otherwise: _T, patience: float | None = None) -> _T:
        """Run an operation on the file, or return `otherwise` if it fails.

        Args:
            action: The operation.
            otherwise: The result if it fails.
            patience: Seconds to wait for other processes. Default: short, if events can be sent from memory.
        """
        with _lock:
            if self._is_closed or self.context.clock.monotonic() < self._suspended_until:
                return otherwise
            self._was_tried = True
            self._is_interrupted = False
            if not self._budget.is_closing:
                self._budget.busy_timeout = patience or (BUSY_SECONDS if self.always else _SHORT_TIMEOUT)
            try:
                done = self._repairing(action)
            except (sqlite3.Error, OSError, SegOpsError) as error:
                self._stop_adoption()
                self._pause_after(error)
                return otherwise
            self._locked_since = None
            return done

    def _repairing(self, action: Callable[[Store], _T]) -> _T:
        try:
            return action(self._ready())
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._forget_store()  # opening it again repairs it
            return action(self._ready())

    def _pause_after(self, error: Exception) -> None:
        """Pause after a failure: not after an interruption, briefly if the file is locked, else for longer."""
        now = self.context.clock.monotonic()
        if "interrupted" in str(error):
            return
        if "locked" in str(error) and not self.always:
            since = self._locked_since = now if self._locked_since is None else self._locked_since
            if now - since < BUSY_SECONDS and not self._budget.is_closing:
                self._suspended_until = now + _LOCKED_PAUSE
                return
        self._suspend(error)

    def _suspend(self, error: Exception) -> None:
        self._forget_store()
        self._suspended_until = self.context.clock.monotonic() + _CHECK_INTERVAL
        if self._is_failing:
            return
        self._is_failing = True
        if not isinstance(error, SegOpsError):
            error = SegOpsSpoolError(f"spool {str(self._path)!r} is unavailable, so events stay in memory ({error})")
        self.context.listener.failed(error)

    def _forget_store(self) -> None:
        self._stop_adoption()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _stop_adoption(self) -> None:
        """Restart the adoption next time."""
        if self._adoption is not None:
            self._adoption.close()
            self._adoption = None
            self._next_check = 0.0

    def _ready(self) -> Store:
        if _lock.was_held:
            raise SegOpsSpoolError(
                f"spool {str(self._path)!r} is not used in this process, which was forked while another thread used "
                "it, so events stay in memory: fork before you track events, or make the client in the child"
            )
        if self._store is None:
            self._store = self._open()
            self._is_fresh = True
            self._next_check = 0.0
        return self._store

    def _open(self) -> Store:
        if self._lease is not None and not self._lease.path.exists():  # deleted with its directory
            self._lease.abandon()
            self._lease = None
        store = Store(self._path, self._lease, self._budget)
        self._lease = store.lock
        known = self._held
        if known and not self._budget.is_closing:
            self._audit(store)
        if store.repair is not None:
            self.context.listener.failed(
                SegOpsSpoolError(f"spool {str(self._path)!r} was damaged: {store.repair.describe()}")
            )
            self._lose_foreign((store.repair.lost or 0) - (known - self._held))
        return store

    def _advance(self, store: Store) -> None:
        """Adopt some batches, and delete those that are too old."""
        if self._adoption is None:
            self._next_check = self.context.clock.monotonic() + _CHECK_INTERVAL
            self._adoption = store.adoption(owned=self.context.is_public, everywhere=self._is_fresh)
        end = monotonic() + _STEP
        for adopted in self._adoption:
            self.context.listener.adopted(adopted.events - adopted.corrupt)
            self._held += adopted.events - adopted.corrupt
            self._lose_foreign(adopted.corrupt)
            if monotonic() > end:
                self._trim(store)
                return
        self._adoption = None
        self._is_fresh = False
        self._trim(store)
        store.shrink()

    def _lose_foreign(self, count: int) -> None:
        if count > 0:
            self.context.listener.adopted(count)
            self.context.listener.lost(count, "corrupt", "they were damaged in the spool")

    def _keep(self, store: Store, known: Sequence[Batch], fresh: Sequence[Batch]) -> None:
        if known:
            store.note_attempts(known)
        if fresh:
            for batch, place in zip(fresh, store.put(fresh, self.context.clock.time()), strict=True):
                batch.row = place
                self._held += batch.count
            self._is_failing = False
            if not self._budget.is_closing:
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
        age, limit = self.context.limits.spool_age, self.context.limits.spool_bytes
        lost = store.trim(self._out.keys() | self._done, limit, self.context.clock.time() - age)
        if lost:
            self._held -= lost
            hours, size = age / 3600, limit / 2**20
            self.context.listener.lost(lost, "undeliverable", f"the spool keeps {size:.0f} MiB for {hours:.0f} h")

    def _audit(self, store: Store) -> None:
        """Count missing events as lost, whatever happened to the file."""
        there = store.audit(self._out.keys() | self._done)
        lost = self._held - sum(self._out.values()) - there
        self._held -= lost
        if lost > 0:
            self.context.listener.lost(lost, "corrupt", "they were damaged in the spool")


def _before_fork() -> None:
    _forking.append(list(_spools))


def _after_fork_in_parent() -> None:
    _forking.pop()


def _after_fork_in_child() -> None:
    spools = _forking.pop()  # not those that the child has made since
    if not _lock.was_held:  # else a mutex of SQLite may stay locked
        for spool in spools:
            spool.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
