"""Encoded events that wait their turn: bounded, without a thread and without I/O."""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from itertools import repeat, starmap
from typing import cast

from segops.core.batch import owner_size
from segops.core.encoding import encode_plain
from segops.core.events import UserContext
from segops.core.options import Limits
from segops.delivery.queue import Drained, EventQueue, OwnedEvent, PureEventQueue

NEVER = sys.maxsize
_CLOSED = -NEVER // 2
"""No room, whatever is still taken or given back."""

OWNER_BYTES = 330
"""What it costs in memory to remember whose an event is, besides the text (measured on CPython 3.11)."""

ROUND_EVENTS = 10_000
"""Events that are sorted by user at once: enough to fill requests, few enough not to hold up who asks for `stats()`."""


Identity = tuple[str | None, str | None]
"""The user id and the anonymous id of an owner."""


class OwnedEventQueue(PureEventQueue):
    """A queue of `OwnedEvent`: each request carries events of one user with one signature.

    Events leave it in rounds. A round takes what waits and sorts it by user, in the order in which the users appear;
    the events of each user stay in order. The next round begins once the last one is taken.

    Attributes:
        out_of_turn: Events that were taken of a round which is not taken completely: events before them may wait.
    """

    __slots__ = ("_incoming", "out_of_turn")

    _queue: deque[OwnedEvent]  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self._incoming: deque[OwnedEvent] = deque()
        self.out_of_turn = 0

    @property
    def waiting(self) -> int:
        """Events that nobody has taken yet."""
        return len(self._queue) + len(self._incoming) + len(self._gone[1])

    def enqueue(self, event: bytes, /) -> bool:
        """Append an encoded event, or return False if there is no room for it."""
        owned = cast("OwnedEvent", event)  # nothing else is put in
        size = len(owned) + self.overhead + owner_size(owned.owner)
        if self.waiting >= self.room or self.pending_bytes + size > self.max_bytes:
            return False
        self.pending_bytes += size
        self._incoming.append(owned)
        if self.waiting >= self.wake_at:
            with contextlib.suppress(Exception):  # the event is in: who brought it must not take one for a refusal
                self.wake()
        return True

    def drain(self) -> Drained | None:
        """Return the body of the next request."""
        if not self._queue:
            self._begin_round()
        count = min(self.batch_events, len(self._queue))
        if not count:
            return None
        first = _claim(self._queue[0].owner)
        alike = next((place for place in range(1, count) if _claim(self._queue[place].owner) != first), count)
        taken = self._take(alike)
        self.out_of_turn = self.out_of_turn + taken[1] if self._queue else 0
        return taken

    def _begin_round(self) -> None:
        # Each step is one call, during which no event is in neither place: whoever counts counts each of them.
        count = min(ROUND_EVENTS, len(self._incoming))
        leaving = cast("list[OwnedEvent]", self._gone[1])
        leaving.extend(starmap(self._incoming.popleft, repeat((), count)))
        turns: dict[Identity, int] = {}
        for event in leaving:
            turns.setdefault(_user(event.owner), len(turns))
        leaving[:] = sorted(leaving, key=lambda event: turns[_user(event.owner)])[::-1]
        self._queue.extend(starmap(leaving.pop, repeat((), len(leaving))))


class Buffer:
    """A queue of encoded events, bounded by their number and their bytes.

    Events come in without a lock: from any thread, from a signal handler and from `__del__`, at any moment. That leans
    on CPython running `pending_bytes += n` and the methods of a deque without a switch of threads. Should another
    interpreter lose an update, the byte bound gets inexact by one event; what is sent and counted does not.

    Args:
        limits: The bounds.
        batch: Whether events travel together.
        event_types: The types of events that the short way leaves to the caller; None if it leaves all.
        owned: Whether each event has an owner.

    Attributes:
        queue: The queue itself.
        is_closed: Whether all further events are refused.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        batch: bool = True,
        event_types: frozenset[str] | None = frozenset(),
        owned: bool = False,
    ) -> None:
        self._limits = limits
        self.is_closed = False
        self.queue = queue = OwnedEventQueue() if owned else EventQueue()
        queue.encode = encode_plain
        queue.event_types = None if owned else event_types
        queue.wake = _nobody
        queue.max_event_bytes = _bound(limits.max_event_bytes)
        queue.max_bytes = _bound(limits.max_bytes)
        queue.batch_events = _bound(limits.batch_events) if batch else 1
        queue.batch_bytes = _bound(limits.batch_bytes)
        queue.pending_bytes = 0
        queue.room = _bound(limits.max_events)
        queue.wake_at = 1
        queue.overhead = OWNER_BYTES if owned else 0
        queue.is_single = not batch
        queue.is_direct = True

    @property
    def waiting(self) -> int:
        """Events that nobody has taken yet."""
        return self.queue.waiting

    @property
    def pending_bytes(self) -> int:
        """Bytes that all events take which are not settled, taken or not."""
        return self.queue.pending_bytes

    @property
    def out_of_turn(self) -> int:
        """Events that were taken although some before them wait."""
        return self.queue.out_of_turn if isinstance(self.queue, OwnedEventQueue) else 0

    def release(self, events: int, size: int) -> None:
        """Give back the room of events that were taken and are settled now.

        Args:
            events: How many; a negative number takes their room anew.
            size: The bytes that they take by themselves.
        """
        self.queue.room += events
        self.queue.pending_bytes -= size + events * self.queue.overhead

    def is_half_full(self) -> bool:
        """Tell whether more than half of what it may hold is taken."""
        return 2 * self.waiting > self._limits.max_events or 2 * self.pending_bytes > self._limits.max_bytes

    def arm(self, length: int) -> None:
        """Ask for the worker to be woken once so many events wait."""
        if not self.is_closed:
            self.queue.wake_at = _bound(length)

    def close(self) -> None:
        """Refuse all further events; one that slips in at this very moment wakes the worker."""
        self.is_closed = True
        self.queue.room = _CLOSED
        self.queue.wake_at = 0


def _bound(number: float) -> int:
    return int(min(number, NEVER))


def _nobody() -> None:
    """Stand in for what is woken until there is something."""


def identity(owner: UserContext) -> Identity:
    """Return what tells one user from another: a new signature does not make another user."""
    return owner.user_id, owner.anonymous_id


def _user(owner: UserContext) -> Identity:
    """Return whose events must stay in order: those of one user do so across devices."""
    return (owner.user_id, None) if owner.user_id else (None, owner.anonymous_id)


def _claim(owner: UserContext) -> tuple[Identity, str | None, int | None]:
    """Return what a session is asked for with: a time says something only together with a signature."""
    return identity(owner), owner.user_id_sig, owner.user_id_ts if owner.user_id_sig else None
