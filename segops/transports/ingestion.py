"""Read ingestion requests, and respond to them as SegOps does."""

from __future__ import annotations

import msgspec

from segops.core import BATCH_PATH, SINGLE_PATH, Request, Response

_JSON = {"content-type": "application/json"}


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


def read_events(request: Request) -> list[msgspec.Raw]:
    """Return the events of a request as they were encoded; [] if it is for something else.

    Raises:
        msgspec.MsgspecError: The body is not the JSON of an ingestion request.
    """
    if request.path == SINGLE_PATH:
        return [msgspec.json.decode(request.body, type=msgspec.Raw)]
    return msgspec.json.decode(request.body, type=_Batch).events if request.path == BATCH_PATH else []


def accepted(request: Request, count: int) -> Response:
    """Return the response to a request whose events were stored."""
    return json_response(202, {"queued": count, "skipped": 0} if request.path == BATCH_PATH else {"queued": True})


def json_response(status: int, body: object) -> Response:
    """Return a response with a JSON body."""
    return Response(status, _JSON, msgspec.json.encode(body))
