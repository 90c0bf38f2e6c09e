"""A spool that cuts batches from a known sequence of events, so that a repeated run sends the same requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from segops.core import ADOPTED, BATCH_PATH, Batch, Claim, DropReason, Spool
from segops.utils import Bell, monotonic, stable_key

_SEPARATOR_BYTES = 2
_ENVELOPE_BYTES = 16
"""The most that the body of a request has besides its events and what separates them."""


class Mark(msgspec.Struct, frozen=True):
    """A place between two events of a job, with the counts up to it.

    Attributes:
        source: The number of the file or partition, from 0.
        record: Records of that source before it.
        event: Events of the next record before it, if enrichers made several of one.
        read: Records of the job before it.
        refused: How many of those were not sent, by reason.
    """

    source: int = 0
    record: int = 0
    event: int = 0
    read: int = 0
    refused: Mapping[DropReason, int] = {}

    @property
    def place(self) -> tuple[int, int, int]:
        """The place alone, which orders marks."""
        return self.source, self.record, self.event

    @property
    def number(self) -> int:
        """The number, from 1, of the record whose event is before it."""
        return self.record + (self.event > 0)


class Cut(msgspec.Struct, frozen=True, eq=False):
    """A batch, and the marks around its events.

    Attributes:
        batch: The batch.
        start: The mark before its first event.
        ends: The mark after each event.
    """

    batch: Batch
    start: Mark
    ends: Sequence[Mark]

    @property
    def end(self) -> Mark:
        """The mark after its last event."""
        return self.ends[-1]


class CutSpool(Spool):
    """Hands the events of a job to the engine in batches that depend on nothing but the events.

    One thread calls `add` and `end`; the worker of the client calls the rest. A batch has 500 events, or as many as
    fit into a request. Its key is made of the job, its place and its body.

    Args:
        job: Names the job, in each key.
        start: The mark to begin from.
        bounds: Marks at which a batch must end: where an earlier run had split one.
        interval: Seconds between two requests, at least.
        linger: Seconds after which an incomplete batch is sent; None to wait for the end of the events, as the batches
            of a job that may be repeated must not depend on time.
        on_settled: Is called with each batch that is delivered or dropped, and the ends of those that were split off
            it. What it raises ends the job.

    Attributes:
        failure: What `on_settled` raised; nothing is sent after that.
    """

    def __init__(
        self,
        job: str,
        *,
        start: Mark,
        bounds: Sequence[Mark] = (),
        interval: float = 0.0,
        linger: float | None = None,
        on_settled: Callable[[Cut, Sequence[Mark]], None],
    ) -> None:
        self.failure: Exception | None = None
        self._job = job
        self._cut_to = start
        self._bounds = deque(bounds)
        self._interval = interval
        self._linger = linger
        self._on_settled = on_settled
        self._events: deque[tuple[Mark, bytes]] = deque()
        self._has_ended = False
        self._added = self._settled = 0
        self._open: list[tuple[Mark, bytes]] = []
        self._open_bytes = 0
        self._open_since = 0.0
        self._cuts: deque[Cut] = deque()
        self._is_sending = False
        self._row = 0
        self._next_turn = 0.0
        self._is_closing = False
        self._closing = Bell()

    def add(self, end: Mark, event: bytes) -> None:
        """Add an encoded event.

        Args:
            end: The mark after it.
            event: The event.
        """
        self._added += 1
        self._events.append((end, event))

    def end(self) -> None:
        """Send what is left, too: all events were added."""
        self._has_ended = True

    @property
    def pending(self) -> int:
        """How many events are neither delivered nor dropped."""
        return self._added - self._settled

    def take(self, blocked: Collection[Claim]) -> Batch | None:
        """Return the next batch, when it is its turn."""
        if self._is_sending or self.failure is not None:
            return None
        if not self._cuts and not self._cut():
            return None
        batch = self._cuts[0].batch
        if batch.claim in blocked or not self._await_turn():
            return None
        self._is_sending = True
        return batch

    def keep(self, batches: Sequence[Batch]) -> None:
        """Let a batch that failed be taken again. It is not stored: its events are where the job reads them."""
        if any(batch.row is not None for batch in batches):
            self._is_sending = False

    def remove(self, batch: Batch) -> None:  # noqa: ARG002 - it is the first one
        """Settle the first batch."""
        cut = self._cuts.popleft()
        self._is_sending = False
        try:
            self._on_settled(cut, [*(each.end for each in self._cuts), *self._bounds])
        except Exception as error:  # noqa: BLE001 - the job's thread raises it
            self.failure = error
        self._settled += cut.batch.count  # last: the job's thread goes on when nothing is pending

    def split(self, batch: Batch, parts: Sequence[Batch]) -> None:  # noqa: ARG002 - it is the first one
        """Replace the first batch with its halves."""
        whole = self._cuts.popleft()
        self._is_sending = False
        halves, start, taken = [], whole.start, 0
        for part in parts:
            ends = whole.ends[taken : taken + part.count]
            halves.append(self._make_cut(part, start, ends))
            start, taken = ends[-1], taken + part.count
        self._cuts.extendleft(reversed(halves))

    def position(self, blocked: Collection[Claim] = ()) -> int | None:  # noqa: ARG002 - as the base class has it
        """Return whether there is anything to send."""
        return ADOPTED if self._cuts or self._open or self._events else None

    def hurry(self, patience: float) -> None:  # noqa: ARG002 - as the base class has it
        """End the wait for a turn."""
        self._is_closing = True
        self._closing.ring()

    def _cut(self) -> bool:
        """Cut a batch from the events, if there are enough of them."""
        has_ended = self._has_ended  # before the look at the events: more may be added meanwhile
        is_full = False
        while self._events and not is_full:
            end, event = self._events[0]
            size = len(event) + _SEPARATOR_BYTES
            if self._open and self._open_bytes + size > self.context.limits.batch_bytes - _ENVELOPE_BYTES:
                break
            self._events.popleft()
            self._open_since = self._open_since if self._open else monotonic()
            self._open.append((end, event))
            self._open_bytes += size
            is_full = self._reaches_bound(end) or len(self._open) == self.context.limits.batch_events
        is_due = self._linger is not None and monotonic() - self._open_since >= self._linger
        if not self._open or not (is_full or self._events or has_ended or is_due):
            return False
        ends = [end for end, _ in self._open]
        batch = Batch.of([event for _, event in self._open], ADOPTED, BATCH_PATH)
        self._open, self._open_bytes = [], 0
        self._cuts.append(self._make_cut(batch, self._cut_to, ends))
        self._cut_to = ends[-1]
        self.context.listener.adopted(batch.count)
        return True

    def _reaches_bound(self, end: Mark) -> bool:
        if not self._bounds or end.place < self._bounds[0].place:
            return False
        self._bounds.popleft()
        return True

    def _make_cut(self, batch: Batch, start: Mark, ends: Sequence[Mark]) -> Cut:
        self._row += 1
        batch.row = self._row
        batch.key = stable_key(batch.body, self._job, *start.place, *ends[-1].place)
        return Cut(batch, start, ends)

    def _await_turn(self) -> bool:
        """Wait until a request may be sent; return False if the client closes meanwhile."""
        if self._interval:
            self._closing.wait_for(lambda: self._is_closing, self._next_turn - monotonic())
            self._next_turn = max(self._next_turn, monotonic()) + self._interval
        return not self._is_closing
