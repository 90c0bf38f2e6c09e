"""Both kinds of queue, and what comes of an event that is offered to one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from segops.core.encoding import encode_plain
from segops.delivery.queue import EventQueue, PureEventQueue

KINDS: dict[str, type[PureEventQueue]] = {"pure": PureEventQueue}
if EventQueue is not PureEventQueue:
    KINDS["compiled"] = EventQueue

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
both_kinds = pytest.mark.skipif("compiled" not in KINDS, reason="the compiled queue is not there, or not wanted")

FIELDS = ("u-1", "order_placed", {"total": 9.5, "items": ["a", "b"]}, None)
PLENTY = 1 << 40
_TIME = re.compile(rb'"occurred_at":"([^"]*)"')


def nothing() -> None:
    """Stand in for the worker."""


def make(kind: Callable[[], PureEventQueue], **attributes: Any) -> PureEventQueue:
    """Make a queue with room for anything, each event of which travels alone, but for what is said otherwise."""
    queue = kind()
    complete = {
        "encode": encode_plain,
        "event_types": frozenset(),
        "wake": nothing,
        "max_event_bytes": PLENTY,
        "max_events": PLENTY,
        "max_bytes": PLENTY,
        "batch_events": 1,
        "batch_bytes": PLENTY,
        "pending_bytes": 0,
        "room": PLENTY,
        "wake_at": PLENTY,
        "overhead": 0,
        "is_single": True,
        "is_direct": True,
    }
    for name, value in {**complete, **attributes}.items():
        setattr(queue, name, value)
    return queue


def take(queue: PureEventQueue) -> list[bytes]:
    """Take all events that wait, one for each request, and give back the room that they had."""
    events: list[bytes] = []
    while taken := queue.drain():
        event, count, owner = taken
        assert (count, owner) == (1, None)
        events.append(event)
    queue.room += len(events)
    queue.pending_bytes -= sum(map(len, events))
    return events


class Offer(NamedTuple):
    """What came of an event: its bytes, or None if it was refused, and what was raised."""

    event: bytes | None
    error: Exception | None = None

    @property
    def timeless(self) -> bytes | None:
        """The event without its time."""
        return None if self.event is None else _TIME.sub(b"", self.event, count=1)


def offer(kind: type[PureEventQueue], fields: tuple[Any, ...], **attributes: Any) -> Offer:
    """Offer one event to a queue of its own, and check that it changed only what it had to."""
    queue = make(kind, **attributes)
    error = None
    try:
        answer = queue.try_enqueue(*fields)
    except Exception as raised:  # noqa: BLE001 - the tests look at it
        answer, error = False, raised
    waiting, pending_bytes = queue.waiting, queue.pending_bytes
    events = take(queue)
    assert type(answer) is bool
    assert waiting == len(events) == answer
    assert pending_bytes == sum(map(len, events))
    assert (queue.waiting, queue.pending_bytes, queue.room) == (0, 0, attributes.get("room", PLENTY))
    return Offer(events[0] if answer else None, error)


def time_of(event: bytes) -> str:
    """Return when an event says that it happened."""
    return str(msgspec.json.decode(event)["occurred_at"])
