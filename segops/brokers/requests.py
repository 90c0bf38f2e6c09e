"""Read the requests that a producer's client hands to the transport of a broker."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from segops.core import BATCH_PATH, SINGLE_PATH, Request, Response, SegOpsTransportError

_JSON = {"content-type": "application/json"}

UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What `read_events` raises for a body that is not that of events."""


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


class _Who(msgspec.Struct):
    user_id: str | None = None
    anonymous_id: str | None = None


def read_events(request: Request, url: str) -> Sequence[tuple[bytes, bytes]]:
    """Return the user and the encoding of each event, without line breaks.

    Raises:
        SegOpsTransportError: The request is not about events.
        msgspec.MsgspecError: The body is not that of events, as are the others in `UNREADABLE`.
    """
    if request.method != "POST" or request.path not in {BATCH_PATH, SINGLE_PATH}:
        raise SegOpsTransportError(
            f"{url} accepts only events, got {request!r}: use an https: or local: URL for other requests"
        )
    if request.path == SINGLE_PATH:
        events: Sequence[bytes] = [request.body]
    else:
        events = [bytes(event) for event in msgspec.json.decode(request.body, type=_Batch).events]
    return [(_user(event), event.translate(None, b"\r\n")) for event in events]


def _user(event: bytes) -> bytes:
    who = msgspec.json.decode(event, type=_Who)
    return (who.user_id or who.anonymous_id or "").encode("utf-8", "surrogatepass")


def accepted(request: Request, count: int) -> Response:
    """Return the response to events that were added."""
    return respond(202, {"queued": True} if request.path == SINGLE_PATH else {"queued": count, "skipped": 0})


def respond(status: int, body: object) -> Response:
    """Return a response as SegOps would."""
    return Response(status, _JSON, msgspec.json.encode(body))
