"""Loads events into a SegOps that runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from segops import Event, SegOpsConfigError, SegOpsError
from segops.core import expand_home
from segops.plugins.demo.data import find_sample, read_orders
from segops.plugins.demo.progress import Progress
from segops.plugins.demo.replay import Replay
from segops.plugins.dev.discovery import Info

CDNOW = "cdnow"

Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Line(msgspec.Struct):
    """The fields of an event, in the order of `Event`; other members are ignored."""

    user_id: Text
    event_type: Text
    occurred_at: str | None = None
    payload: dict[str, Any] = {}
    anonymous_id: str | None = None


_line = msgspec.json.Decoder(_Line)


def seed(what: str, info: Info) -> str:
    """Load the real purchases ("cdnow") or a file of events, and return what to tell the user.

    Raises:
        SegOpsConfigError: The file cannot be read, or a line is no event.
        SegOpsError: SegOps refuses the events.
    """
    events = read_orders(find_sample()) if what == CDNOW else read_events(Path(expand_home(what)))
    with Replay(info.url, info.secret_key) as replay, Progress(sys.stderr, len(events)) as progress:
        outcome = replay.run(events, [], progress)
    if outcome.stats.delivered < len(events):
        raise SegOpsError(f"only {outcome.stats.delivered} of {len(events)} events were stored: {info.url} shows why")
    return f"{len(events):,} events loaded in {outcome.seconds:.1f} s"


def read_events(path: Path) -> Sequence[Event]:
    """Return the events of a file, one JSON object a line, as the `file:` transport writes them.

    Raises:
        SegOpsConfigError: The file cannot be read, or a line is no event.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise SegOpsConfigError(f"cannot read {path} ({error.strerror}): name a file of events, or cdnow") from None
    except UnicodeDecodeError:
        raise SegOpsConfigError(f"{path} is not text: name a file of events, or cdnow") from None
    events = [_event(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not events:
        raise SegOpsConfigError(f"{path} is empty: name a file of events, or cdnow")
    return events


def _event(path: Path, number: int, line: str) -> Event:
    try:
        return Event(*msgspec.structs.astuple(_line.decode(line)))
    except msgspec.DecodeError as error:
        raise SegOpsConfigError(f"{path}, line {number}, is no event ({error})") from None
