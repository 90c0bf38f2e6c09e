"""What the transports of producers share: they read requests as SegOps would, and add the events to a broker."""

from __future__ import annotations

import abc
import uuid
from collections.abc import Sequence

import msgspec

from segops.core import BATCH_PATH, SINGLE_PATH, Request, Response, SegOpsTransportError, Transport

_JSON = {"content-type": "application/json"}

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What `_read_events` raises for an invalid body."""


class UnavailableError(SegOpsTransportError):
    """The broker accepts nothing at the moment; for the client of a producer this is a 503."""


class BrokerTransport(Transport):
    """Adds events to a broker, from which `segops forward` sends them to SegOps.

    Source: docs/scale-out.md.
    """

    offline = True
    batch_size = 500

    def __repr__(self) -> str:
        """Show the destination."""
        return f"{type(self).__name__}({self.url!r})"

    def send(self, request: Request, *, timeout: float) -> Response:
        """Add the events of a request; return 202, 400 for an invalid body, or 503 if the broker is full.

        Raises:
            SegOpsConfigError: The broker cannot be used as it is.
            SegOpsTimeoutError: The broker did not confirm all events in time.
            SegOpsTransportError: The broker did not take the events, or the request is not about events.
        """
        try:
            events = _read_events(request, self.url)
        except _UNREADABLE as error:
            return _respond(400, {"detail": str(error)})
        try:
            self.add(events, request.headers.get("Idempotency-Key") or str(uuid.uuid4()), timeout)
        except UnavailableError as error:
            return _respond(503, {"detail": str(error)})
        return _respond(202, {"queued": True} if request.path == SINGLE_PATH else {"queued": len(events), "skipped": 0})

    @abc.abstractmethod
    def add(self, events: Sequence[tuple[bytes, bytes]], key: str, timeout: float) -> None:
        """Add events.

        Args:
            events: The user and the encoding of each event.
            key: The Idempotency-Key of the request.
            timeout: Seconds that this may take.

        Raises:
            UnavailableError: The broker accepts nothing at the moment.
            SegOpsError: As for `send`.
        """


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


class _Who(msgspec.Struct):
    user_id: str | None = None
    anonymous_id: str | None = None


def _read_events(request: Request, url: str) -> Sequence[tuple[bytes, bytes]]:
    """Return the user and the encoding of each event, without line breaks.

    Raises:
        SegOpsTransportError: The request is not about events.
        msgspec.MsgspecError: The body is invalid, as for the others in `_UNREADABLE`.
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


def _respond(status: int, body: object) -> Response:
    """Return a response as SegOps would."""
    return Response(status, _JSON, msgspec.json.encode(body))
