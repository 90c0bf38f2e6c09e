"""Encoded events that wait their turn: bounded, without a thread and without I/O."""

from __future__ import annotations

import sys

from segops.core.encoding import encode_plain
from segops.core.events import UserContext
from segops.core.intake import Intake, PureIntake, Taken, owner_of
from segops.core.options import Limits

NEVER = sys.maxsize
_CLOSED = -NEVER // 2
"""No room, whatever is still taken or given back."""

OWNER_BYTES = 350
"""What it costs in memory to remember whose an event is (measured on CPython 3.11, each with a user of its own)."""


Identity = tuple[str | None, str | None]
"""The user id and the anonymous id of an owner."""


class OwnedIntake(PureIntake):
    """A queue of `OwnedEvent`: each request carries those of one owner."""

    __slots__ = ()

    def take(self) -> Taken | None:
        """Return the body of the next request; of several signatures of its owner the newest counts."""
        count = min(self.batch_events, len(self._queue))
        if not count:
            return None
        lanes = (identity(owner_of(self._queue[place])) for place in range(count))
        first = next(lanes)
        alike = next((place for place, lane in enumerate(lanes, 1) if lane != first), count)
        return self._take(alike)


class Buffer:
    """A queue of encoded events, bounded by their number and their bytes.

    Events come in without a lock: from any thread, from a signal handler and from `__del__`, at any moment. That leans
    on CPython running `pending_bytes += n` and the methods of a deque without a switch of threads. Should another
    interpreter lose an update, the byte bound gets inexact by one event; what is sent and counted does not.

    Args:
        limits: The bounds.
        batch: Whether events travel together.
        wanted: The types of events that the short way leaves to the caller; None if it leaves all.
        owned: Whether each event has an owner.

    Attributes:
        intake: The queue itself.
        is_closed: Whether all further events are refused.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        batch: bool = True,
        wanted: frozenset[str] | None = frozenset(),
        owned: bool = False,
    ) -> None:
        self._limits = limits
        self.is_closed = False
        self.intake = intake = OwnedIntake() if owned else Intake()
        intake.encode = encode_plain
        intake.wanted = None if owned else wanted
        intake.wake = _nobody
        intake.max_event_bytes = _bound(limits.max_event_bytes)
        intake.max_bytes = _bound(limits.max_bytes)
        intake.batch_events = _bound(limits.batch_events) if batch else 1
        intake.batch_bytes = _bound(limits.batch_bytes)
        intake.pending_bytes = 0
        intake.room = _bound(limits.max_events)
        intake.wake_at = 1
        intake.overhead = OWNER_BYTES if owned else 0
        intake.is_single = not batch
        intake.is_direct = True

    @property
    def waiting(self) -> int:
        """Events that nobody has taken yet."""
        return self.intake.waiting

    @property
    def pending_bytes(self) -> int:
        """Bytes that all events take which are not settled, taken or not."""
        return self.intake.pending_bytes

    def release(self, events: int, size: int) -> None:
        """Give back the room of events that were taken and are settled now.

        Args:
            events: How many; a negative number takes their room anew.
            size: The bytes that they take by themselves.
        """
        self.intake.room += events
        self.intake.pending_bytes -= size + events * self.intake.overhead

    def is_half_full(self) -> bool:
        """Tell whether more than half of what it may hold is taken."""
        return 2 * self.waiting > self._limits.max_events or 2 * self.pending_bytes > self._limits.max_bytes

    def arm(self, length: int) -> None:
        """Ask for the worker to be woken once so many events wait."""
        if not self.is_closed:
            self.intake.wake_at = _bound(length)

    def close(self) -> None:
        """Refuse all further events; one that slips in at this very moment wakes the worker."""
        self.is_closed = True
        self.intake.room = _CLOSED
        self.intake.wake_at = 0


def _bound(number: float) -> int:
    return int(min(number, NEVER))


def _nobody() -> None:
    """Stand in for what is woken until there is something."""


def identity(owner: UserContext | None) -> Identity:
    """Return what tells one owner from another: a new signature does not make another user."""
    return (None, None) if owner is None else (owner.user_id, owner.anonymous_id)
