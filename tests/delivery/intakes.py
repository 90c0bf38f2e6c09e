"""Both kinds of intake, and what comes of an event that is offered to one."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec
import pytest

from segops.core.encoding import encode_plain
from segops.delivery.intake import Intake, PureIntake

KINDS: dict[str, type[PureIntake]] = {"pure": PureIntake}
if Intake is not PureIntake:
    KINDS["compiled"] = Intake

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
both_kinds = pytest.mark.skipif("compiled" not in KINDS, reason="the compiled intake is not there, or not wanted")

FIELDS = ("u-1", "order_placed", {"total": 9.5, "items": ["a", "b"]}, None)
PLENTY = 1 << 40
_TIME = re.compile(rb'"occurred_at":"([^"]*)"')


def nothing() -> None:
    """Stand in for the worker."""


def make(kind: type[PureIntake], **attributes: Any) -> PureIntake:
    """Make an intake with room for anything, each event of which travels alone, but for what is said otherwise."""
    intake = kind()
    complete = {
        "encode": encode_plain,
        "wanted": frozenset(),
        "wake": nothing,
        "max_event_bytes": PLENTY,
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
        setattr(intake, name, value)
    return intake


def take(intake: PureIntake) -> list[bytes]:
    """Take all events that wait, one for each request, and give back the room that they had."""
    events: list[bytes] = []
    while taken := intake.take():
        event, count, owner = taken
        assert (count, owner) == (1, None)
        events.append(event)
    intake.room += len(events)
    intake.pending_bytes -= sum(map(len, events))
    return events


class Offer(NamedTuple):
    """What came of an event: its bytes, or None if it was refused, and what was raised."""

    event: bytes | None
    error: Exception | None = None

    @property
    def timeless(self) -> bytes | None:
        """The event without its time."""
        return None if self.event is None else _TIME.sub(b"", self.event, count=1)


def offer(kind: type[PureIntake], fields: tuple[Any, ...], **attributes: Any) -> Offer:
    """Offer one event to an intake of its own, and check that it changed only what it had to."""
    intake = make(kind, **attributes)
    error = None
    try:
        answer = intake.accept(*fields)
    except Exception as raised:  # noqa: BLE001 - the tests look at it
        answer, error = False, raised
    waiting, pending_bytes = intake.waiting, intake.pending_bytes
    events = take(intake)
    assert type(answer) is bool
    assert waiting == len(events) == answer
    assert pending_bytes == sum(map(len, events))
    assert (intake.waiting, intake.pending_bytes, intake.room) == (0, 0, attributes.get("room", PLENTY))
    return Offer(events[0] if answer else None, error)


def time_of(event: bytes) -> str:
    """Return when an event says that it happened."""
    return str(msgspec.json.decode(event)["occurred_at"])
