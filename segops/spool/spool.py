"""The spool as a client sees it: it never raises. What the disk refuses stays in memory."""

from __future__ import annotations

import copy
import os
import sqlite3
import weakref
from collections.abc import Callable, Collection, Generator, Sequence
from pathlib import Path
from typing import TypeVar

from segops.core import ADOPTED, Batch, Claim, SegOpsError, SegOpsSpoolError, Spool, SpoolContext
from segops.spool.database import BUSY_SECONDS, Haste, is_damage
from segops.spool.files import Lock, check_path
from segops.spool.record import owner_text
from segops.spool.store import Adopted, Store
from segops.utils import ForkLock, absolute_path, monotonic, parse_local_url

_T = TypeVar("_T")

_LOOK_EVERY = 30.0
"""Seconds between two looks for what other processes left, and after which a disk that failed is tried again."""

_SHORT_PATIENCE = 0.25
"""Seconds to wait for another process while events could be sent from memory."""

_POSTPONED = 1.0
"""Seconds after which a file that another process has locked is asked for again."""

_PIECE = 0.05
"""Seconds that taking over from other processes may hold up delivery at a time."""

_lock = ForkLock()
"""Held whenever SQLite is in use, and across a fork: a mutex of SQLite that is held then would stay so in the child."""

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
        self._held = 0  # events in rows of ours, those on their way included
        self._out: dict[int, int] = {}  # events by place, of batches on their way
        self._done: set[int] = set()  # places of batches whose fate is known, but whose rows could not be deleted
        self._haste = Haste(lambda: self._is_broken_off or _lock.is_wanted)
        self._is_broken_off = False
        self._adoption: Generator[Adopted, None, None] | None = None
        self._is_fresh = False
        self._look_at = 0.0
        self._locked_since: float | None = None
        self._suspended_until = 0.0
        self._was_tried = False
        self._is_failing = False
        self._is_closed = False

    def keep(self, batches: Sequence[Batch]) -> None:
        """Store batches; one that is stored gets its row. Those that have one already were sent in vain."""
        known = {batch.row: batch for batch in batches if batch.row is not None}
        fresh = [batch for batch in batches if batch.row is None]
        for place in known:
            self._out.pop(place, None)
        self._try(lambda store: self._keep(store, list(known.values()), fresh), None, BUSY_SECONDS)

    def take(self, blocked: Collection[Claim]) -> Batch | None:
        """Return the first batch whose claim is not blocked; it stays stored until it is removed."""
        self.advance()
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
        if self.is_busy():
            return ADOPTED
        if not self._held:
            return ADOPTED if not self._was_tried and self._is_there() else None
        owners = set(map(owner_text, blocked))
        unknown: int | None = ADOPTED
        return self._try(lambda store: store.position(self._done, owners), unknown)

    def advance(self) -> None:
        """Take over a piece of what processes left that are gone, for some milliseconds at most."""
        if self._haste.is_hurried or (self._store is None and not self._is_there()):
            return
        if self._store is None or self.is_busy() or self.context.clock.monotonic() >= self._look_at:
            self._try(self._advance, None)

    def is_busy(self) -> bool:
        """Tell whether there is more of that."""
        return self._adoption is not None

    def hurry(self, patience: float) -> None:
        """Break off what takes long and wait `patience` seconds for others at most: the client ends. Takes no lock."""
        self._haste.patience = patience
        self._haste.is_hurried = True
        self._is_broken_off = True
        self._suspended_until = 0.0  # it is the last chance

    def close(self) -> None:
        """Let go of the file and of the batches in it: they are for the next process."""
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
        """Let go of what a forked child cannot use; all of it stays with the parent."""
        self._is_closed = True
        if self._lease is not None:
            self._lease.abandon()
        if self._store is not None:
            self._store.close()

    def _is_there(self) -> bool:
        """Tell whether there is a file; False if that cannot be told, as in a directory that may not be searched."""
        return os.path.exists(self._path)  # noqa: PTH110 - that of Path may raise a PermissionError

    def _try(self, action: Callable[[Store], _T], otherwise: _T, patience: float | None = None) -> _T:
        """Do something with the file, or return `otherwise` if that does not work at this time.

        Args:
            action: What to do.
            otherwise: What to return if it cannot be done.
            patience: Seconds to wait for other processes. Default: few, if events can be sent from memory meanwhile.
        """
        with _lock:
            if self._is_closed or self.context.clock.monotonic() < self._suspended_until:
                return otherwise
            self._was_tried = True
            self._is_broken_off = False
            if not self._haste.is_hurried:
                self._haste.patience = patience or (BUSY_SECONDS if self.always else _SHORT_PATIENCE)
            try:
                done = self._repairing(action)
            except (sqlite3.Error, OSError, SegOpsError) as error:
                self._stop_adoption()
                self._put_off(error)
                return otherwise
            self._locked_since = None
            return done

    def _repairing(self, action: Callable[[Store], _T]) -> _T:
        try:
            return action(self._ready())
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._forget_store()  # to open it again is to repair it
            return action(self._ready())

    def _put_off(self, error: Exception) -> None:
        """Leave the file alone: not at all after an interruption, shortly if others have it, else for a while."""
        now = self.context.clock.monotonic()
        if "interrupted" in str(error):
            return
        if "locked" in str(error) and not self.always:
            since = self._locked_since = now if self._locked_since is None else self._locked_since
            if now - since < BUSY_SECONDS and not self._haste.is_hurried:
                self._suspended_until = now + _POSTPONED
                return
        self._suspend(error)

    def _suspend(self, error: Exception) -> None:
        self._forget_store()
        self._suspended_until = self.context.clock.monotonic() + _LOOK_EVERY
        if self._is_failing:
            return
        self._is_failing = True
        if not isinstance(error, SegOpsError):
            error = SegOpsSpoolError(
                f"the spool {str(self._path)!r} cannot be used ({error}): events wait in memory until it can"
            )
        self.context.listener.failed(error)

    def _forget_store(self) -> None:
        self._stop_adoption()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _stop_adoption(self) -> None:
        """Begin with it anew next time."""
        if self._adoption is not None:
            self._adoption.close()
            self._adoption = None
            self._look_at = 0.0

    def _ready(self) -> Store:
        if _lock.was_held:
            raise SegOpsSpoolError(
                f"the spool {str(self._path)!r} is not used in this process, which was forked while another thread was "
                "using it: events wait in memory; fork before events are tracked, or make the client in the child"
            )
        if self._store is None:
            self._store = self._open()
            self._is_fresh = True
            self._look_at = 0.0
        return self._store

    def _open(self) -> Store:
        if self._lease is not None and not self._lease.path.exists():  # it went with its directory
            self._lease.abandon()
            self._lease = None
        store = Store(self._path, self._lease, self._haste)
        self._lease = store.lock
        known = self._held
        if known and not self._haste.is_hurried:
            self._audit(store)
        if store.repair is not None:
            self.context.listener.failed(
                SegOpsSpoolError(f"the spool {str(self._path)!r} was bad: {store.repair.describe()}")
            )
            self._lose_foreign((store.repair.lost or 0) - (known - self._held))
        return store

    def _advance(self, store: Store) -> None:
        """Take over some of what others left, and let go of what is too old."""
        if self._adoption is None:
            self._look_at = self.context.clock.monotonic() + _LOOK_EVERY
            self._adoption = store.adoption(owned=self.context.is_public, everywhere=self._is_fresh)
        end = monotonic() + _PIECE
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
            if not self._haste.is_hurried:
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
        age, most = self.context.limits.spool_age, self.context.limits.spool_bytes
        lost = store.trim(self._out.keys() | self._done, most, self.context.clock.time() - age)
        if lost:
            self._held -= lost
            hours, size = age / 3600, most / 2**20
            self.context.listener.lost(lost, "undeliverable", f"the spool keeps {size:.0f} MiB for {hours:.0f} h")

    def _audit(self, store: Store) -> None:
        """Count what is there of what should be: whatever happened to the file, this is what was lost."""
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
    spools = _forking.pop()  # not those that the child has made meanwhile
    if not _lock.was_held:  # if it was, a mutex of SQLite may be held for ever, and nobody must touch it
        for spool in spools:
            spool.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
