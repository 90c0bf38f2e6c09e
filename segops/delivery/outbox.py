"""Ordered outbox of batches: in memory first, then spooled, then still queued."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from segops.core.errors import DropReason
from segops.core.http import BATCH_PATH, SINGLE_PATH
from segops.core.spool import Batch, Claim, Spool
from segops.delivery.auth import Auth
from segops.delivery.batch import claim_of, halves, size_of
from segops.delivery.config import Timing
from segops.delivery.ledger import Ledger
from segops.delivery.queue import EventQueue


class Outbox:
    """Drains batches from the queue, moves them to the spool and back, and knows which events are settled.

    Batches keep their order, except that a blocked claim does not delay the others. With a spool, a failed batch does
    not stay in memory: memory holds only the queue and the batch that is being sent.

    Attributes:
        in_memory: Batches in memory, oldest first.
        drained_to: The position before which all events were drained from the queue.
    """

    def __init__(self, queue: EventQueue, ledger: Ledger, spool: Spool | None, auth: Auth, timing: Timing) -> None:
        self.in_memory: deque[Batch] = deque()
        self.drained_to = 0
        self._queue = queue
        self._ledger = ledger
        self._spool = spool
        self._auth = auth
        self._threshold = timing.threshold
        self._path = BATCH_PATH if timing.batch else SINGLE_PATH
        self._due_to = 0

    def flush_to(self, position: int) -> None:
        """Make all events before `position` due, however few they are."""
        self._due_to = max(self._due_to, position)

    def next(self, blocked: Collection[Claim]) -> Batch | None:
        """Return the next batch that is due and whose claim is not blocked, loaded."""
        if self._spool is not None and self._spool.always:
            self.flush_to_spool(self._threshold)
        if self._spool is not None:
            stored = self._spool.take(blocked)
            if stored is not None:
                self.in_memory.append(stored)
                return stored
        for batch in self.in_memory:
            if batch.claim not in blocked:
                return batch
        if self._spool is not None and self._spool.always:  # the next round stores what came in meanwhile first
            return None
        while self._is_due(self._threshold):
            fresh = self._drain()
            if fresh is None or fresh.claim not in blocked:
                return fresh
        self.spool()  # blocked batches, in one write
        return None

    def flush_to_spool(self, threshold: int) -> None:
        """Move what is due from the queue to the spool, or everything once `threshold` events wait."""
        if self._spool is not None and self._is_due(threshold):
            while self._is_due(threshold) and self._drain():
                pass
            self.spool()

    def close(self) -> None:
        """Drain the queue into the spool; what the spool does not take stays in memory."""
        self.flush_to(self._ledger.end())
        while self._drain():
            pass
        self.spool()

    def spool(self) -> None:
        """Store the batches in memory. Those that the spool does not take stay, in the same order."""
        if self._spool is None or not self.in_memory:
            return
        fresh = [batch for batch in self.in_memory if batch.row is None]
        self._spool.keep(self.in_memory)
        for batch in fresh:
            if batch.row is not None:
                self._ledger.spool(batch)
                self._queue.release(batch.count, size_of(batch))
        self.in_memory = deque(batch for batch in self.in_memory if batch.row is None)

    def split(self, batch: Batch) -> None:
        """Replace a batch in memory with its halves."""
        if batch not in self.in_memory:  # it went to the spool meanwhile, and is split when it is sent next
            return
        parts = halves(batch)
        place = self.in_memory.index(batch)
        self.in_memory.remove(batch)
        if self._spool is not None and batch.row is not None:
            self._spool.split(batch, parts)
            if parts[0].row is not None:
                return  # they come back from the spool
            self._ledger.unspool(batch)
            self._queue.release(-batch.count, -size_of(batch))
        for part in reversed(parts):
            self.in_memory.insert(place, part)

    def settle(self, batch: Batch, delivered: int, reason: DropReason, why: str = "") -> None:
        """Remove a batch: `delivered` of its events were delivered, and the others are dropped for `reason`."""
        if batch in self.in_memory:
            self.in_memory.remove(batch)
        self._ledger.settle(batch, delivered=delivered, reason=reason)
        if batch.row is None:
            self._queue.release(batch.count, size_of(batch))
        elif self._spool is not None and delivered:
            self._spool.remove(batch)
        elif self._spool is not None:
            self._spool.discard(batch, reason, why)

    def settled_to(self, blocked: Collection[Claim] = ()) -> int:
        """Return the position before which all events are settled, except those of blocked claims.

        It is negative while the spool has batches of an earlier process, or may have.
        """
        loaded = next((batch.start for batch in self.in_memory if batch.claim not in blocked), self.drained_to)
        stored = None if self._spool is None else self._spool.position(blocked)
        return loaded if stored is None else min(loaded, stored)

    def _is_due(self, threshold: int) -> bool:
        return self.drained_to < self._due_to or self._ledger.end() - self.drained_to >= threshold

    def _drain(self) -> Batch | None:
        start = self.drained_to
        taken = self._queue.drain()
        self.drained_to = self._queue.taken - self._queue.out_of_turn
        if taken is None:
            return None
        body, count, owner = taken
        batch = Batch(body, count, start, self._path, owner)
        if owner is not None:
            batch.claim = claim_of(owner)
        self.in_memory.append(batch)
        if self._spool is not None:
            self._auth.remember(batch)
        return batch
