"""Shows events in the terminal as they arrive; takes up again what a broken connection interrupted."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from segops import SegOpsTransportError
from segops.cli.terminal import tell, write_now
from segops.devserver.discovery import Info, connect
from segops.utils import escape, format_json

_STREAM_PATH = "/_dev/stream"
_SILENCE = 30.0
_PAUSE = 0.3
_MOST_SHOWN = 100


class Message(NamedTuple):
    """A server-sent event."""

    id: str
    event: str
    data: str


def listen(
    info: Info, after: int | None = None, count: int | None = None, *, as_json: bool = False, patience: float = 10.0
) -> None:
    """Print each event, until `count` are printed or the user has enough.

    Raises:
        SegOpsTransportError: The server is gone, and does not come back within `patience` seconds.
    """
    left = count
    for message in _messages(info, "" if after is None else str(after), patience):
        if message.event != "batch":
            tell(f"segops: listening to {info.url}")
            continue
        for line in _lines(json.loads(message.data), as_json=as_json):
            if left == 0:
                return
            write_now(f"{line}\n")
            left = None if left is None else left - 1
        if left == 0:
            return


def _messages(info: Info, position: str, patience: float) -> Iterator[Message]:
    """Yield messages, over as many connections as it takes."""
    alive_at = time.monotonic()
    trouble: Exception | None = None
    while time.monotonic() - alive_at <= patience:
        connection = connect(info.url, timeout=_SILENCE)
        try:
            # Without a position the first message tells it, so that nothing is missed should the connection break.
            connection.request("GET", f"{_STREAM_PATH}?{urlencode({'after': position})}")
            for message in _read(connection.getresponse()):
                alive_at = time.monotonic()
                position = message.id or position
                yield message
        except (OSError, http.client.HTTPException) as error:
            trouble = error
        finally:
            connection.close()
        time.sleep(_PAUSE)
    raise SegOpsTransportError(f"{info.url} is gone") from trouble


def _read(answer: http.client.HTTPResponse) -> Iterator[Message]:
    fields: dict[str, str] = {}
    for raw in answer:
        line = raw.decode().rstrip("\n")
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            continue
        yield Message(fields.get("id", ""), fields.get("event", ""), fields.get("data", ""))
        fields = {}


def _lines(batch: dict[str, list[dict[str, Any]]], *, as_json: bool) -> Iterator[str]:
    for event in batch.get("events", []):
        yield format_json(event) if as_json else _event_line(event)
    for skip in batch.get("skipped", []):
        yield format_json({"skipped": skip}) if as_json else _skip_line(skip)


def _event_line(event: dict[str, Any]) -> str:
    mark = f"  (added to {event['added_to']})" if event["added_to"] else ""
    shown = event["preview"][:_MOST_SHOWN] + ("…" if event["size"] > _MOST_SHOWN else "")
    return escape(f"{event['received_at'][11:19]}  {event['event_type']}  {event['user_id']}  {shown}{mark}")


def _skip_line(skip: dict[str, Any]) -> str:
    return escape(f"{skip['received_at'][11:19]}  skipped: {skip['reason']}  {skip['body'][:_MOST_SHOWN]}")
