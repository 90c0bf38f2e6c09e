"""Encoded events that wait their turn: bounded, without a thread and without I/O."""

from __future__ import annotations

import bisect
import itertools
import sys
from collections import deque

from segops.core.encoding import encode_plain
from segops.core.events import UserContext
from segops.core.intake import Intake
from segops.core.options import Limits

NEVER = sys.maxsize
_CLOSED = -NEVER // 2
"""No room, whatever is still taken or given back."""


OWNER_BYTES = 350
"""What it costs in memory to remember whose an event is (measured on CPython 3.11, each with a user of its own)."""


class OwnedEvent(bytes):
    """An encoded event that must be sent under the session of one user."""

    owner: UserContext


Identity = tuple[str | None, str | None]
"""The user id and the anonymous id of an owner."""


class Buffer(Intake):
    """A queue of encoded events, bounded by their number and their bytes.

    `accept` and `put` take no lock: they may be called from any thread, from a signal handler and from `__del__`, at
    any moment. `put` leans on CPython running `bytes += n` and the methods of a deque without a switch of threads.
    Should another interpreter lose an update, the byte bound gets inexact by one event; what is sent and counted does
    not.

    Args:
        limits: The bounds.
        wanted: The types of events that `accept` leaves to the caller; None if it leaves all.
        overhead: Bytes that each event takes besides its own: `OWNER_BYTES` if events have owners.

    Attributes:
        is_closed: Whether all further events are refused.
    """

    __slots__ = ("_limits", "_overhead", "is_closed")

    def __init__(self, limits: Limits, wanted: frozenset[str] | None = frozenset(), overhead: int = 0) -> None:
        self._limits = limits
        self._overhead = overhead
        self.is_closed = False
        self.queue = deque()
        self.append = self.queue.append
        self.encode = encode_plain
        self.wanted = wanted
        self.wake = _nobody
        self.max_event_bytes = min(limits.max_event_bytes, NEVER)
        self.max_bytes = min(limits.max_bytes, NEVER)
        self.bytes = 0
        self.room = min(limits.max_events, NEVER)
        self.wake_at = 1
        self.is_direct = True

    def put(self, event: bytes) -> bool:
        """Append an event, or return False if there is no room for it."""
        size = len(event) + self._overhead
        if len(self.queue) >= self.room or self.bytes + size > self.max_bytes:
            return False
        self.bytes += size
        self.append(event)
        if len(self.queue) >= self.wake_at:
            self.wake()
        return True

    def take(self, max_events: int, max_bytes: int) -> list[bytes]:
        """Take the next events of one owner off the queue; none if it is empty.

        Args:
            max_events: How many at most.
            max_bytes: Bytes at most, with one more for each event; a single event may be larger.
        """
        count = min(max_events, len(self.queue))
        if self._overhead:
            count = self._of_one_owner(count)
        popleft = self.queue.popleft
        taken = [popleft() for _ in range(count)]
        if sum(map(len, taken)) + count > max_bytes:
            count = _fitting(taken, max_bytes)
            self.queue.extendleft(reversed(taken[count:]))
            del taken[count:]
        self.room -= count
        return taken

    def _of_one_owner(self, count: int) -> int:
        return next((place for place in range(1, count) if not same_owner(self.queue[0], self.queue[place])), count)

    def release(self, events: int, size: int) -> None:
        """Give back the room of events that were taken and are settled now."""
        self.room += events
        self.bytes -= size + events * self._overhead

    def is_half_full(self) -> bool:
        """Tell whether more than half of what it may hold is taken."""
        return 2 * len(self.queue) > self._limits.max_events or 2 * self.bytes > self._limits.max_bytes

    def arm(self, length: int) -> None:
        """Ask for the worker to be woken once so many events wait."""
        if not self.is_closed:
            self.wake_at = min(length, NEVER)

    def close(self) -> None:
        """Refuse all further events; one that slips in at this very moment wakes the worker."""
        self.is_closed = True
        self.room = _CLOSED
        self.wake_at = 0


def _nobody() -> None:
    """Stand in for what is woken until there is something."""


def _fitting(events: list[bytes], max_bytes: int) -> int:
    """Return how many of the events, from the first on, fit; one does in any case."""
    sizes = itertools.accumulate(len(event) + 1 for event in events)
    return max(1, bisect.bisect_right(list(sizes), max_bytes))


def same_owner(one: bytes, other: bytes) -> bool:
    """Tell whether two events may travel under the same authorisation."""
    return identity(getattr(one, "owner", None)) == identity(getattr(other, "owner", None))


def identity(owner: UserContext | None) -> Identity:
    """Return what tells one owner from another: a new signature does not make another user."""
    return (None, None) if owner is None else (owner.user_id, owner.anonymous_id)
