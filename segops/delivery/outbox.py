"""The line in which batches wait to be sent: the first ones loaded, then those in the spool, then the buffer."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from segops.core.errors import DropReason
from segops.core.http import BATCH_PATH, SINGLE_PATH
from segops.core.spool import Batch, Claim, Spool
from segops.delivery.auth import Auth
from segops.delivery.batch import claim_of, halves, size_of
from segops.delivery.ledger import Ledger
from segops.delivery.queue import EventQueue
from segops.delivery.timing import Timing


class Outbox:
    """Cuts batches from the buffer, moves them to the spool and back, and knows how far all are settled.

    Order is kept for each user, but for batches of a claim that is blocked: those do not hold up the others. With a
    spool a batch that failed is not kept loaded, so that however long the line gets, memory holds the buffer and the
    batch on its way.

    Attributes:
        loaded: Batches in memory, oldest first.
        cut_to: The position before which all events were cut from the buffer.
    """

    def __init__(self, queue: EventQueue, ledger: Ledger, spool: Spool | None, auth: Auth, timing: Timing) -> None:
        self.in_memory: deque[Batch] = deque()
        self.cut_to = 0
        self._queue = queue
        self._ledger = ledger
        self._spool = spool
        self._auth = auth
        self._threshold = timing.threshold
        self._path = BATCH_PATH if timing.batch else SINGLE_PATH
        self._due_to = 0

    def flush_to(self, position: int) -> None:
        """Call all events before `position` due, however few they are."""
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
        if self._spool is not None and self._spool.always:  # what came in meanwhile is stored first, in the next round
            return None
        while self._is_due(self._threshold):
            fresh = self._cut()
            if fresh is None or fresh.claim not in blocked:
                return fresh
        self.spool()  # those that are blocked, together: to store each by itself would hold up the others
        return None

    def flush_to_spool(self, threshold: int) -> None:
        """Move what is due, and all if at least `threshold` events wait, from the buffer to the spool."""
        if self._spool is not None and self._is_due(threshold):
            while self._is_due(threshold) and self._cut():
                pass
            self.spool()

    def close(self) -> None:
        """Cut what is left of the buffer, and leave to the spool what it takes; the rest is loaded."""
        self.flush_to(self._ledger.end())
        while self._cut():
            pass
        self.spool()

    def spool(self) -> None:
        """Give the loaded batches to the spool. Those that it does not take stay, in the same order."""
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
        """Put the halves of a loaded batch in its place."""
        if batch not in self.in_memory:  # it went to the spool while it was on its way: whoever sends it next splits it
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

    def settle(self, batch: Batch, delivered: int, reason: DropReason) -> None:
        """Take a batch out: so many of its events are delivered, and the others dropped for `reason`."""
        if batch in self.in_memory:
            self.in_memory.remove(batch)
        self._ledger.settle(batch, delivered=delivered, reason=reason)
        if batch.row is None:
            self._queue.release(batch.count, size_of(batch))
        elif self._spool is not None:
            self._spool.remove(batch)

    def settled_to(self, blocked: Collection[Claim] = ()) -> int:
        """Return a position before which all events are settled, leaving out those of blocked claims.

        It is negative while there is something of a former process, or may be.
        """
        loaded = next((batch.start for batch in self.in_memory if batch.claim not in blocked), self.cut_to)
        stored = None if self._spool is None else self._spool.position(blocked)
        return loaded if stored is None else min(loaded, stored)

    def _is_due(self, threshold: int) -> bool:
        return self.cut_to < self._due_to or self._ledger.end() - self.cut_to >= threshold

    def _cut(self) -> Batch | None:
        start = self._drained_to()
        taken = self._queue.drain()
        self.cut_to = self._drained_to()
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

    def _drained_to(self) -> int:
        """Return the position before which all events were drained."""
        return self._queue.taken - self._queue.out_of_turn
