"""Load events into a running SegOps."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Annotated, Any

import msgspec

from segops import Event, SegOpsConfigError, SegOpsError, SegOpsEventError
from segops.cli import ProgressBar
from segops.cli.event_files import Record, open_events, parse_event, parse_object
from segops.demo.data import find_sample, read_orders
from segops.demo.replay import Replay
from segops.devserver.discovery import Info

CDNOW = "cdnow"

Text = Annotated[str, msgspec.Meta(min_length=1)]


class _EventTypes(msgspec.Struct):
    """The types of the fields of an event."""

    user_id: Text
    event_type: Text
    occurred_at: str | None = None
    payload: dict[str, Any] = {}
    anonymous_id: str | None = None


def seed(source: str, info: Info, *, ignored: Container[str] = frozenset(), enrich: bool = False) -> str:
    """Load the sample purchases ("cdnow") or a file of events, and return a sentence for the user.

    Args:
        source: "cdnow", or the name of a file.
        info: The server to load them into.
        ignored: Keys of events to ignore.
        enrich: Whether enrichers run.

    Raises:
        SegOpsConfigError: The file cannot be read, or a line is not an event.
        SegOpsError: SegOps refuses the events.
    """
    events = read_orders(find_sample()) if source == CDNOW else read_events(source, ignored)
    with (
        ProgressBar("events", log_lines=True) as bar,
        Replay(info.url, info.secret_key, bar, enrich=enrich) as replay,
    ):
        outcome = replay.run(events)
    if outcome.stats.delivered < len(events):
        raise SegOpsError(f"only {outcome.stats.delivered} of {len(events)} events were stored: see {info.url}")
    return f"loaded {len(events):,} events in {outcome.seconds:.1f} s"


def read_events(name: str, ignored: Container[str] = frozenset()) -> Sequence[Event]:
    """Return the events of a file; see `segops.cli.event_files`.

    Raises:
        SegOpsArgumentError: The file cannot be read.
        SegOpsConfigError: It is empty, or a line is not an event.
    """
    with open_events(name) as file:
        events = [_event(f"{name}, {file.unit} {number}", text, ignored) for number, text in file]
    if not events:
        raise SegOpsConfigError(f"{name} is empty: pass a file of events, or cdnow")
    return events


def _event(place: str, record: Record, ignored: Container[str]) -> Event:
    try:
        event = parse_event(parse_object(record), ignored)
        msgspec.convert(msgspec.structs.asdict(event), _EventTypes)
    except (SegOpsEventError, msgspec.ValidationError) as error:
        raise SegOpsConfigError(f"{place}: not a valid event ({error})") from None
    return event
