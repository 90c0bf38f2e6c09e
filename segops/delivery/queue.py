"""The queue of encoded events, and the short way into it.

`_speedups.c` does the same in a fraction of the time, writes the same bytes, and is used where it could be compiled.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from segops.core.encoding import fits, fitting, is_plain, join
from segops.core.events import Event, UserContext


class OwnedEvent(bytes):
    """An encoded event that must be sent under the session of one user."""

    owner: UserContext


Drained = tuple[bytes, int, "UserContext | None"]
"""The body of a request, the number of its events, and whose session it must travel under."""


class PureEventQueue:
    """A queue of encoded events that leave it as bodies of requests.

    Attributes:
        encode: Encodes what is plain.
        event_types: The types of events that enrichers want; None if `accept` is to leave all to the caller.
        wake: Is called once `wake_at` events wait.
        max_event_bytes: Bytes that `accept` lets one event take.
        max_bytes: Bytes that all events may take which are not settled, taken or not.
        batch_events: Events that travel in one request, at most.
        batch_bytes: Bytes that its body may take; a single event may be larger.
        pending_bytes: Bytes that all events take which are not settled.
        room: Events that may wait at this moment.
        wake_at: Number of events at which the worker wants to be woken; the first one starts it.
        overhead: Bytes that each event takes besides its own.
        is_single: Whether each event travels alone, as it is.
        is_direct: Whether `accept` may take events at all.
    """

    __slots__ = (
        "_gone",
        "_queue",
        "batch_bytes",
        "batch_events",
        "encode",
        "event_types",
        "is_direct",
        "is_single",
        "max_bytes",
        "max_event_bytes",
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
    max_bytes: int
    batch_events: int
    batch_bytes: int
    pending_bytes: int
    room: int
    wake_at: int
    overhead: int
    is_single: bool
    is_direct: bool

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._gone: tuple[int, list[bytes]] = (0, [])  # how many were taken, and those that are just leaving the queue

    @property
    def waiting(self) -> int:
        """Events that nobody has taken yet."""
        return len(self._queue) + len(self._gone[1])

    @property
    def taken(self) -> int:
        """Events that were ever taken; at any instant each event either waits or is taken."""
        return self._gone[0]

    def try_enqueue(
        self,
        user_id: str | None,
        event_type: str | None,
        payload: Mapping[str, Any] | None,
        anonymous_id: str | None,
        /,
    ) -> bool:
        """Take an event that happens now, or return False if it is not the usual case."""
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
        except (TypeError, ValueError, RecursionError):  # which the caller meets again, and knows what to do
            return False
        return len(event) <= self.max_event_bytes and self.enqueue(event)

    def enqueue(self, event: bytes, /) -> bool:
        """Append an encoded event, or return False if there is no room for it."""
        size = len(event) + self.overhead
        if len(self._queue) >= self.room or self.pending_bytes + size > self.max_bytes:
            return False
        self.pending_bytes += size
        self._queue.append(event)
        if len(self._queue) >= self.wake_at:
            try:  # noqa: SIM105 - `suppress` is a call, for which the stack may have no room
                self.wake()
            except Exception:  # noqa: BLE001, S110 - the event is in: who brought it must not take one for a refusal
                pass
        return True

    def drain(self) -> Drained | None:
        """Return the body of the next request with what belongs to it; None if no event waits."""
        count = min(self.batch_events, len(self._queue))
        return self._take(count) if count else None

    def _take(self, count: int) -> Drained:
        events = [self._queue[place] for place in range(count)]
        if not fits(events, self.batch_bytes):
            count = fitting(events, self.batch_bytes)
            del events[count:]
        body = events[0] if self.is_single else join(events)
        owner = events[-1].owner if isinstance(events[-1], OwnedEvent) else None
        self.room -= count  # before, so that the bound holds while events are taken
        # One call, then one assignment: a signal handler that counts in between counts each event once.
        taken, leaving = self._gone
        leaving.extend(itertools.starmap(self._queue.popleft, itertools.repeat((), count)))
        self._gone = (taken + count, [])
        return body, count, owner


EventQueue = PureEventQueue

if not TYPE_CHECKING:  # both have the same attributes
    with contextlib.suppress(ImportError):
        from segops.delivery._speedups import EventQueue

IS_COMPILED = EventQueue is not PureEventQueue
"""Whether this interpreter has the compiled queue."""
