"""The count of what became of every event.

`accepted = delivered + dropped + pending` holds at every instant because nothing else can: an event is counted where
it is (waiting, taken, delivered or dropped), and `accepted` is the sum. Tracking costs no counter and no lock.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

import msgspec

from segops.core.buffer import Buffer
from segops.core.errors import DROP_REASONS, DropReason


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger at one instant.

    Attributes:
        accepted: Events given to the client, good or bad: always `delivered` + all of `dropped` + `pending`.
        delivered: Events that the server took.
        dropped: Events given up, by reason; reasons that did not occur are absent.
        pending: Events waiting or on their way.
        pending_bytes: Bytes of memory that those take.
        coerced: Values inside events that lost something when they were encoded, such as NaN.
        retries: Requests that were sent again.
        last_error: The latest error in words, None if there was none.
    """

    accepted: int
    delivered: int
    dropped: dict[DropReason, int]
    pending: int
    pending_bytes: int
    coerced: int
    retries: int
    last_error: str | None


class Tally:
    """A counter that any thread, signal handler or destructor may raise without a lock."""

    __slots__ = ("_lock", "_reads", "_ticks", "add")

    def __init__(self) -> None:
        self._ticks = itertools.count()
        self._reads = 0
        self._lock = threading.RLock()  # a signal handler or a destructor may come in between
        self.add = self._ticks.__next__
        """Count one more."""

    def value(self) -> int:
        """Return the count."""
        with self._lock:  # each look uses up a tick, which the next look takes off
            self._reads += 1
            return next(self._ticks) - self._reads + 1


class Ledger:
    """Counts events and values by their fate."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._lock = threading.RLock()  # an inline worker may be called by a signal handler or destructor in between
        self._refused = {reason: Tally() for reason in DROP_REASONS}
        self._dropped: dict[DropReason, int] = dict.fromkeys(DROP_REASONS, 0)
        self._delivered = 0
        self._taken = 0
        self._settled = 0
        self.coerced = Tally()
        self.retries = 0
        self.last_error: str | None = None

    def refuse(self, reason: DropReason) -> None:
        """Count an event that never entered the buffer; takes no lock."""
        self._refused[reason].add()

    def take(self, max_events: int, max_bytes: int) -> tuple[int, list[bytes]]:
        """Take events off the buffer; return them and the position of the first among all that were ever taken."""
        with self._lock:
            start = self._taken
            events = self._buffer.take(max_events, max_bytes)
            self._taken += len(events)
        return start, events

    def settle(self, events: Sequence[bytes], *, delivered: int, reason: DropReason = "rejected") -> None:
        """Count taken events as delivered and, the rest of them, as dropped for `reason`."""
        with self._lock:
            self._delivered += delivered
            self._dropped[reason] += len(events) - delivered
            self._settled += len(events)
            self._buffer.release(len(events), sum(map(len, events)))

    def end(self) -> int:
        """Return the position after the newest event in the buffer."""
        with self._lock:
            return self._taken + len(self._buffer.queue)

    def dropped(self) -> dict[DropReason, int]:
        """Return the drops by reason, without the reasons that did not occur."""
        counts = {reason: self._dropped[reason] + self._refused[reason].value() for reason in DROP_REASONS}
        return {reason: count for reason, count in counts.items() if count}

    def losses(self) -> int:
        """Return how many events were dropped in all."""
        return sum(self.dropped().values())

    def stats(self) -> Stats:
        """Return the ledger at this instant."""
        with self._lock:
            pending = self._taken - self._settled + len(self._buffer.queue)
            delivered = self._delivered
            dropped = self.dropped()
        return Stats(
            accepted=delivered + sum(dropped.values()) + pending,
            delivered=delivered,
            dropped=dropped,
            pending=pending,
            pending_bytes=self._buffer.bytes,
            coerced=self.coerced.value(),
            retries=self.retries,
            last_error=self.last_error,
        )
