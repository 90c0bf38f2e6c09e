"""Loads events into a SegOps that runs."""

from __future__ import annotations

import sys
from collections.abc import Container, Sequence
from typing import Annotated, Any

import msgspec

from segops import Event, SegOpsConfigError, SegOpsError, SegOpsEventError
from segops.cli.event_files import open_events, parse_event, parse_object
from segops.demo.data import find_sample, read_orders
from segops.demo.progress import Progress
from segops.demo.replay import Replay
from segops.devserver.discovery import Info

CDNOW = "cdnow"

Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Checked(msgspec.Struct):
    """The types of the fields of an event."""

    user_id: Text
    event_type: Text
    occurred_at: str | None = None
    payload: dict[str, Any] = {}
    anonymous_id: str | None = None


def seed(what: str, info: Info, *, ignored: Container[str] = frozenset(), enrich: bool = False) -> str:
    """Load the real purchases ("cdnow") or a file of events, and return what to tell the user.

    Args:
        what: "cdnow", or the name of a file.
        info: Where to load them.
        ignored: Keys of events to skip.
        enrich: Whether enrichers run.

    Raises:
        SegOpsConfigError: The file cannot be read, or a line is no event.
        SegOpsError: SegOps refuses the events.
    """
    events = read_orders(find_sample()) if what == CDNOW else read_events(what, ignored)
    with Replay(info.url, info.secret_key, enrich=enrich) as replay, Progress(sys.stderr, len(events)) as progress:
        outcome = replay.run(events, [], progress)
    if outcome.stats.delivered < len(events):
        raise SegOpsError(f"only {outcome.stats.delivered} of {len(events)} events were stored: {info.url} shows why")
    return f"{len(events):,} events loaded in {outcome.seconds:.1f} s"


def read_events(name: str, ignored: Container[str] = frozenset()) -> Sequence[Event]:
    """Return the events of a file; see `segops.cli.event_files`.

    Raises:
        SegOpsArgumentError: The file cannot be read.
        SegOpsConfigError: It holds no events, or a line is no event.
    """
    with open_events(name) as file:
        events = [_event(f"{name}, {file.unit} {number},", text, ignored) for number, text in file if text.strip()]
    if not events:
        raise SegOpsConfigError(f"{name} is empty: name a file of events, or cdnow")
    return events


def _event(place: str, text: bytes, ignored: Container[str]) -> Event:
    try:
        event = parse_event(parse_object(text), ignored)
        msgspec.convert(msgspec.structs.asdict(event), _Checked)
    except (SegOpsEventError, msgspec.ValidationError) as error:
        raise SegOpsConfigError(f"{place} is no event ({error})") from None
    return event
