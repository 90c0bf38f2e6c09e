"""Print events as they arrive, and resume after a lost connection."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from segops import SegOpsTransportError
from segops.cli import print_message, write
from segops.devserver.discovery import Info, connect
from segops.utils import escape, format_json

_STREAM_PATH = "/_dev/stream"
_READ_TIMEOUT = 30.0
_RETRY_DELAY = 0.3
_MAX_PREVIEW = 100


class Message(NamedTuple):
    """A server-sent event."""

    id: str
    event: str
    data: str


def listen(
    info: Info, after: int | None = None, count: int | None = None, *, as_json: bool = False, patience: float = 10.0
) -> None:
    """Print each event, until `count` events are printed or the user interrupts.

    Args:
        info: The server.
        after: Start after the event with this id. Default: with the next event.
        count: How many events to print. Default: no limit.
        as_json: Whether to print JSON lines.
        patience: Seconds to wait for a server that is gone.

    Raises:
        SegOpsTransportError: The server is gone, and did not come back in time.
    """
    left = count
    for message in _messages(info, "" if after is None else str(after), patience):
        if message.event != "batch":
            print_message(f"segops: listening to {info.url}")
            continue
        for line in _lines(json.loads(message.data), as_json=as_json):
            if left == 0:
                return
            write(f"{line}\n", flush=True)
            left = None if left is None else left - 1
        if left == 0:
            return


def _messages(info: Info, position: str, patience: float) -> Iterator[Message]:
    """Yield messages, over as many connections as necessary."""
    alive_at = time.monotonic()
    last_error: Exception | None = None
    while time.monotonic() - alive_at <= patience:
        connection = connect(info.url, timeout=_READ_TIMEOUT)
        try:
            # The first message tells the position, so that nothing is missed when the connection breaks.
            connection.request("GET", f"{_STREAM_PATH}?{urlencode({'after': position})}")
            for message in _read(connection.getresponse()):
                alive_at = time.monotonic()
                position = message.id or position
                yield message
        except (OSError, http.client.HTTPException) as error:
            last_error = error
        finally:
            connection.close()
        time.sleep(_RETRY_DELAY)
    raise SegOpsTransportError(f"lost the connection to {info.url}: is `segops dev` still running?") from last_error


def _read(response: http.client.HTTPResponse) -> Iterator[Message]:
    fields: dict[str, str] = {}
    for raw in response:
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
    for rejected in batch.get("skipped", []):
        yield format_json({"skipped": rejected}) if as_json else _rejected_line(rejected)


def _event_line(event: dict[str, Any]) -> str:
    suffix = f"  (derived from {event['added_to']})" if event["added_to"] else ""
    shown = event["preview"][:_MAX_PREVIEW] + ("…" if event["size"] > _MAX_PREVIEW else "")
    return escape(f"{event['received_at'][11:19]}  {event['event_type']}  {event['user_id']}  {shown}{suffix}")


def _rejected_line(rejected: dict[str, Any]) -> str:
    return escape(f"{rejected['received_at'][11:19]}  skipped: {rejected['reason']}  {rejected['body'][:_MAX_PREVIEW]}")
