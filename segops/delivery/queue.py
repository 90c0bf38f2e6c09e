"""The bounded queue of encoded events, and the fast path into it.

`_speedups.c` is a compiled version of the queue for secret keys. It produces the same bytes faster, and is used where
it was compiled.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

import msgspec

from segops.core.encoding import encode_plain, fits, fitting, is_plain, join
from segops.core.events import Event, UserContext
from segops.core.options import Limits
from segops.delivery.batch import owner_size

NEVER = sys.maxsize

INTERFACE = 2
"""The version of the interface of `_speedups`: a module built from another version is ignored."""

OWNER_BYTES = 150
"""Bytes of memory for an event with an owner, besides their texts (measured on CPython 3.11 to 3.13)."""

ROUND_EVENTS = 10_000
"""Events to sort by user at once: enough to fill requests, and few enough not to delay a caller of `stats()`."""

_CLOSED = -NEVER // 2
"""Leaves no room, however many events are drained or released."""


class OwnedEvent(msgspec.Struct, frozen=True, gc=False):
    """An encoded event that must be sent under the session of one user."""

    encoded: bytes
    owner: UserContext


Identity = tuple[str | None, str | None]
"""The user id and the anonymous id of an owner."""

Drained = tuple[bytes, int, "UserContext | None"]
"""The body of a request, the number of its events, and the owner whose session it must be sent under."""


class PureEventQueue:
    """A bounded queue of encoded events, drained as request bodies.

    Any thread, signal handler or `__del__` may enqueue at any time, without a lock. That relies on CPython running
    `pending_bytes += n` and the methods of a deque without switching threads. If another interpreter loses an update,
    the byte bound is off by one event, but nothing is lost or counted wrongly.

    With owners, each request has the events of one user with one signature. Events are sorted in rounds: a round sorts
    what waits by user, in the order in which the users appear, and keeps each user's events in order. The next round
    begins once the last one is drained.

    Args:
        owned: Whether each event has an owner.

    Attributes:
        encode: Encodes what is plain.
        event_types: The event types that enrichers want; None if `try_enqueue` must refuse all events.
        wake: Called once `wake_at` events wait.
        max_event_bytes: The largest event that `try_enqueue` accepts, in bytes.
        max_events: Events that may wait; the queue `is_half_full` above half of it.
        max_bytes: Bytes that all unsettled events may take, drained or not.
        batch_events: Events that one request may have.
        batch_bytes: Bytes that its body may have; a single event may be larger.
        pending_bytes: Bytes that all unsettled events take.
        room: Events that may wait now: `max_events` without those that are drained but unsettled.
        wake_at: Waiting events that wake the worker; the first one starts it.
        overhead: Bytes that each event takes besides its own.
        is_single: Whether each event is sent alone, as it is.
        is_direct: Whether `try_enqueue` may accept events at all.
    """

    __slots__ = (
        "_gone",
        "_in_round",
        "_is_closed",
        "_is_owned",
        "_out_of_turn",
        "_queue",
        "batch_bytes",
        "batch_events",
        "encode",
        "event_types",
        "is_direct",
        "is_single",
        "max_bytes",
        "max_event_bytes",
        "max_events",
        "overhead",
        "pending_bytes",
        "room",
        "wake",
        "wake_at",
    )

    encode: Callable[[object], bytes]
    event_types: frozenset[str] | None
    wake: Callable[[], None]
    max_event_bytes: int
    max_events: int
    max_bytes: int
    batch_events: int
    batch_bytes: int
    pending_bytes: int
    room: int
    wake_at: int
    overhead: int
    is_single: bool
    is_direct: bool

    def __init__(self, *, owned: bool = False) -> None:
        self._queue: deque[bytes | OwnedEvent] = deque()
        self._gone: tuple[int, list[bytes | OwnedEvent]] = (
            0,
            [],
        )  # how many were taken, and those that are leaving the queue
        self._is_owned = owned
        self._is_closed = False
        self._in_round = 0
        self._out_of_turn = 0

    @property
    def waiting(self) -> int:
        """Events that are not drained yet."""
        return len(self._queue) + len(self._gone[1])

    @property
    def taken(self) -> int:
        """Events drained so far; at any instant each event is either waiting or taken."""
        return self._gone[0]

    @property
    def out_of_turn(self) -> int:
        """Events drained from a round that is not finished: events before them may still wait."""
        return self._out_of_turn

    @property
    def is_closed(self) -> bool:
        """Whether all further events are refused."""
        return self._is_closed

    def try_enqueue(
        self,
        user_id: str | None,
        event_type: str | None,
        payload: Mapping[str, Any] | None,
        anonymous_id: str | None,
        /,
    ) -> bool:
        """Append an event that happens now; return False if it is not the common case."""
        if payload is None:
            payload = {}
        if (
            user_id.__class__ is not str
            or not user_id
            or event_type.__class__ is not str
            or not event_type
            or payload.__class__ is not dict
            or (anonymous_id is not None and anonymous_id.__class__ is not str)
            or not self.is_direct
            or self.event_types is None
            or event_type in self.event_types
        ):
            return False
        try:
            if not is_plain(payload):
                return False
            event = self.encode(Event(user_id, event_type, datetime.now(timezone.utc), payload, anonymous_id))
        except (TypeError, ValueError, RecursionError):  # the slow path meets the same error, and handles it
            return False
        return len(event) <= self.max_event_bytes and self.enqueue(event)

    def enqueue(self, event: bytes, owner: UserContext | None = None, /) -> bool:
        """Append an encoded event; return False if the queue is full."""
        size = len(event) + self.overhead
        if owner is not None:
            size += owner_size(owner)
        if len(self._queue) >= self.room or self.pending_bytes + size > self.max_bytes:
            return False
        self.pending_bytes += size
        self._queue.append(event if owner is None else OwnedEvent(event, owner))
        if len(self._queue) >= self.wake_at:
            try:  # noqa: SIM105 - `suppress` is a call, for which the stack may have no room
                self.wake()
            except Exception:  # noqa: BLE001, S110 - the event is enqueued: an error would look like a refusal
                pass
        return True

    def drain(self) -> Drained | None:
        """Remove the events of the next request, and return its body, count and owner; None if no event waits."""
        count = min(self.batch_events, self._in_round or self._begin_round() if self._is_owned else len(self._queue))
        if not count:
            return None
        front = [self._queue[place] for place in range(count)]
        owned = _of_one_claim(cast("list[OwnedEvent]", front)) if self._is_owned else None
        events = cast("list[bytes]", front) if owned is None else [event.encoded for event in owned]
        if not fits(events, self.batch_bytes):
            del events[fitting(events, self.batch_bytes) :]
        count = len(events)
        # All have the same claim, but without a signature their times may differ: send the newest.
        owner = None if owned is None else owned[count - 1].owner
        body = events[0] if self.is_single else join(events)
        self.room -= count  # first, so that the bound holds while events leave
        # One call, then one assignment: a signal handler in between counts each event once.
        taken, leaving = self._gone
        leaving.extend(itertools.starmap(self._queue.popleft, itertools.repeat((), count)))
        self._gone = (taken + count, [])
        if self._is_owned:
            self._in_round -= count
            self._out_of_turn = self._out_of_turn + count if self._in_round else 0
        return body, count, owner

    def release(self, events: int, size: int, /) -> None:
        """Free the room of drained events that are settled now.

        Args:
            events: The number of events; a negative number reserves their room again.
            size: The bytes of the events themselves.
        """
        self.room += events
        self.pending_bytes -= size + events * self.overhead

    def is_half_full(self) -> bool:
        """Return whether more than half of the events or bytes are used."""
        return 2 * self.waiting > self.max_events or 2 * self.pending_bytes > self.max_bytes

    def arm(self, length: int, /) -> None:
        """Wake the worker once `length` events wait."""
        if not self._is_closed:
            self.wake_at = length

    def close(self) -> None:
        """Refuse all further events; an event that is being enqueued right now wakes the worker."""
        self._is_closed = True
        self.room = _CLOSED
        self.wake_at = 0

    def _begin_round(self) -> int:
        """Sort the events at the front by user, and return their number."""
        # Each step is one call, and leaves each event in one of the two places: a signal handler counts all of them.
        count = min(ROUND_EVENTS, len(self._queue))
        leaving = cast("list[OwnedEvent]", self._gone[1])
        self.room -= count  # as above
        pop = cast("Callable[[], OwnedEvent]", self._queue.popleft)
        leaving.extend(itertools.starmap(pop, itertools.repeat((), count)))
        turns: dict[Identity, int] = {}
        for event in leaving:
            turns.setdefault(_user(event.owner), len(turns))
        leaving[:] = sorted(leaving, key=lambda event: turns[_user(event.owner)])
        self.room += count
        self._queue.extendleft(itertools.starmap(leaving.pop, itertools.repeat((), count)))
        self._in_round = count
        return count


EventQueue = PureEventQueue

if not TYPE_CHECKING:  # _speedups.pyi has the same attributes
    with contextlib.suppress(ImportError):
        from segops.delivery._speedups import INTERFACE as COMPILED_INTERFACE
        from segops.delivery._speedups import EventQueue as CompiledEventQueue

        if COMPILED_INTERFACE == INTERFACE:
            EventQueue = CompiledEventQueue

IS_COMPILED = EventQueue is not PureEventQueue
"""Whether this interpreter has the compiled queue."""


def make_queue(
    limits: Limits, *, batch: bool = True, event_types: frozenset[str] | None = frozenset(), owned: bool = False
) -> EventQueue:
    """Return an empty queue.

    Args:
        limits: The bounds.
        batch: Whether events travel together.
        event_types: The event types that the fast path refuses; None if it refuses all.
        owned: Whether each event has an owner.
    """
    queue = PureEventQueue(owned=True) if owned else EventQueue()
    queue.encode = encode_plain
    queue.event_types = None if owned else event_types
    queue.wake = _no_worker
    queue.max_event_bytes = _bound(limits.max_event_bytes)
    queue.max_events = queue.room = _bound(limits.max_events)
    queue.max_bytes = _bound(limits.max_bytes)
    queue.batch_events = _bound(limits.batch_events) if batch else 1
    queue.batch_bytes = _bound(limits.batch_bytes)
    queue.pending_bytes = 0
    queue.wake_at = 1
    queue.overhead = OWNER_BYTES if owned else 0
    queue.is_single = not batch
    queue.is_direct = True
    return queue


def identity(owner: UserContext) -> Identity:
    """Return the identity of an owner, which does not depend on the signature."""
    return owner.user_id, owner.anonymous_id


def _bound(number: float) -> int:
    return int(min(number, NEVER))


def _no_worker() -> None:
    """Stand in for the worker until there is one."""


def _user(owner: UserContext) -> Identity:
    """Return the key by which events stay in order: the user, on any device, or else the visitor."""
    return (owner.user_id, None) if owner.user_id else (None, owner.anonymous_id)


def _claim(owner: UserContext) -> tuple[Identity, str | None, int | None]:
    """Return what a session is requested with. A time matters only with a signature."""
    return identity(owner), owner.user_id_sig, owner.user_id_ts if owner.user_id_sig else None


def _of_one_claim(events: list[OwnedEvent]) -> list[OwnedEvent]:
    """Return the leading events that can be sent under the session of the first."""
    claim = _claim(events[0].owner)
    return list(itertools.takewhile(lambda event: _claim(event.owner) == claim, events))
