"""Count the fate of every event.

`accepted = delivered + dropped + pending` holds at every instant because nothing else can: an event is counted where
it is (waiting, taken, delivered, or dropped), and `accepted` is the sum. Tracking costs no counter and no lock.
"""

from __future__ import annotations

import itertools
import operator
from collections import deque
from collections.abc import Mapping

import msgspec

from segops.core.errors import DROP_REASONS, DropReason
from segops.core.retry import Clock
from segops.core.spool import Batch
from segops.delivery.queue import EventQueue


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long a transport took to respond.

    Attributes:
        requests: Requests that got a response, whatever its status.
        last: Seconds that the latest response took.
        mean: Seconds on average.
        max: Seconds of the slowest.
    """

    requests: int = 0
    last: float = 0.0
    mean: float = 0.0
    max: float = 0.0


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger at one instant.

    Attributes:
        accepted: Events given to the client, good or bad: always `delivered` + all of `dropped` + `pending`.
        delivered: Events that the server accepted.
        dropped: Events given up, by reason; reasons that did not occur are absent.
        pending: Events waiting or on their way, in memory or in the spool.
        pending_bytes: Bytes of memory that those take.
        queued: How many of those pending have not been put into a batch yet.
        spooled: How many of those pending are in the spool.
        adopted: How many of those accepted were taken over from the spool of earlier processes.
        oldest: Seconds that the oldest pending event has waited in this process, rounded up by at most
            `flush_interval`; None if no event is pending.
        coerced: Values inside events that lost something when they were encoded, such as NaN.
        retries: Requests that were sent again.
        last_error: The latest error message, or None.
        latency: Response times by the URL of the transport, or else by the name of its class.
    """

    accepted: int
    delivered: int
    dropped: dict[DropReason, int]
    pending: int
    pending_bytes: int
    queued: int
    spooled: int
    adopted: int
    oldest: float | None
    coerced: int
    retries: int
    last_error: str | None
    latency: dict[str, Latency]


class AtomicCounter:
    """A counter that threads, signal handlers and destructors may increment and read without a lock."""

    __slots__ = ("_reads", "add", "ticks")

    def __init__(self) -> None:
        self.ticks = itertools.count()
        """Each step counts one more."""
        self.add = self.ticks.__next__
        """Count one more."""
        # Each read uses up a tick, which is subtracted again. It is a single call, so nothing can come in between.
        self._reads = map(operator.sub, self.ticks, itertools.count())

    def value(self) -> int:
        """Return the count."""
        count: int = next(self._reads)
        return count


class _Counts(msgspec.Struct, frozen=True):
    """The counts that only the dispatcher changes. They are replaced together, so a reader never sees half a change."""

    delivered: int = 0
    dropped: Mapping[DropReason, int] = msgspec.field(default_factory=lambda: dict.fromkeys(DROP_REASONS, 0))
    settled: int = 0
    adopted: int = 0
    spooled: int = 0


class AgeTracker:
    """Knows how long the oldest pending event has waited, without a clock being read for each event.

    A mark is set each time the dispatcher has run, which is at least every `flush_interval`. An event arrived after
    each mark before it, so the result is never too small.
    """

    _MOST = 512

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: deque[tuple[int, float]] = deque([(0, clock.monotonic())])

    def mark(self, settled_to: int, end: int) -> None:
        """Note that all events before `settled_to` are settled, and that the newest event is at `end`."""
        marks = self._marks
        if marks[-1][0] == end and len(marks) > 1:
            marks.pop()
        marks.append((end, self._clock.monotonic()))
        while len(marks) > 1 and marks[1][0] <= settled_to:
            marks.popleft()
        if len(marks) > self._MOST:
            self._marks = deque(list(marks)[::2])

    def oldest(self) -> float:
        """Return the most seconds that the oldest pending event, if any, has waited."""
        return self._clock.monotonic() - self._marks[0][1]


class Ledger:
    """Counts events and values by their fate.

    The dispatcher changes it, from one thread at a time. Any thread may read it at any time, without a lock.

    Attributes:
        ages: How long events have waited.
        latencies: Response times of transports.
        coerced: Values that lost something when they were encoded.
        unexplained: Each step counts an event as `invalid`, even where the stack has no room to call `refuse`.
        retries: Requests that were sent again.
        last_error: The latest error in words.
    """

    def __init__(self, queue: EventQueue, clock: Clock) -> None:
        self._queue = queue
        self._refused = {reason: AtomicCounter() for reason in DROP_REASONS}
        self.unexplained = self._refused["invalid"].ticks
        self._counts = _Counts()
        self.ages = AgeTracker(clock)
        self.latencies: dict[str, Latency] = {}
        self.coerced = AtomicCounter()
        self.retries = 0
        self.last_error: str | None = None

    def refuse(self, reason: DropReason) -> None:
        """Count an event that never entered the queue; takes no lock."""
        self._refused[reason].add()

    def settle(self, batch: Batch, *, delivered: int, reason: DropReason = "rejected") -> None:
        """Count `delivered` events of a batch as delivered, and the rest as dropped for `reason`."""
        self._enter(
            delivered=delivered,
            dropped=batch.count - delivered,
            reason=reason,
            spooled=0 if batch.row is None else -batch.count,
        )

    def spool(self, batch: Batch) -> None:
        """Note that a drained batch is in the spool."""
        self._enter(spooled=batch.count)

    def unspool(self, batch: Batch) -> None:
        """Note that a spooled batch is in memory again."""
        self._enter(spooled=-batch.count)

    def adopt(self, count: int) -> None:
        """Count events in the spool that an earlier process accepted."""
        self._enter(adopted=count, spooled=count)

    def lose(self, count: int, reason: DropReason) -> None:
        """Count spooled events as dropped."""
        self._enter(dropped=count, reason=reason, spooled=-count)

    def _enter(
        self,
        *,
        delivered: int = 0,
        dropped: int = 0,
        reason: DropReason = "rejected",
        adopted: int = 0,
        spooled: int = 0,
    ) -> None:
        counts = self._counts
        self._counts = _Counts(
            delivered=counts.delivered + delivered,
            dropped={**counts.dropped, reason: counts.dropped[reason] + dropped},
            settled=counts.settled + delivered + dropped,
            adopted=counts.adopted + adopted,
            spooled=counts.spooled + spooled,
        )

    def record_latency(self, transport: str, seconds: float) -> None:
        """Record how long a transport took to respond."""
        before = self.latencies.get(transport, Latency())
        requests = before.requests + 1
        mean = before.mean + (seconds - before.mean) / requests
        self.latencies[transport] = Latency(requests=requests, last=seconds, mean=mean, max=max(before.max, seconds))

    def end(self) -> int:
        """Return the position after the newest event in the queue."""
        _, taken, waiting = self._read()
        return taken + waiting

    def dropped(self) -> dict[DropReason, int]:
        """Return the drops by reason, without the reasons that did not occur."""
        return self._all_dropped(self._counts)

    def losses(self) -> int:
        """Return how many events were dropped in all."""
        return sum(self.dropped().values())

    def stats(self) -> Stats:
        """Return the ledger at this instant."""
        counts, taken, queued = self._read()
        pending = taken + counts.adopted - counts.settled + queued
        dropped = self._all_dropped(counts)
        return Stats(
            accepted=counts.delivered + sum(dropped.values()) + pending,
            delivered=counts.delivered,
            dropped=dropped,
            pending=pending,
            pending_bytes=self._queue.pending_bytes,
            queued=queued,
            spooled=counts.spooled,
            adopted=counts.adopted,
            oldest=self.ages.oldest() if pending else None,
            latency=dict(self.latencies),
            coerced=self.coerced.value(),
            retries=self.retries,
            last_error=self.last_error,
        )

    def _read(self) -> tuple[_Counts, int, int]:
        """Return the counts and how many events are taken and waiting, all as of one instant."""
        queue = self._queue
        while True:
            counts, taken = self._counts, queue.taken
            waiting = queue.waiting
            if counts is self._counts and taken == queue.taken:  # the dispatcher changed neither meanwhile
                return counts, taken, waiting

    def _all_dropped(self, counts: _Counts) -> dict[DropReason, int]:
        dropped: dict[DropReason, int] = {}
        for reason in DROP_REASONS:
            if count := counts.dropped[reason] + self._refused[reason].value():
                dropped[reason] = count
        return dropped
