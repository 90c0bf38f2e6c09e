"""Keep requests in memory, and return the responses that a test scripts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgspec

from segops.core import SESSION_PATH, Request, Response, Transport
from segops.transports.ingestion import accepted, json_response, read_events
from segops.utils import Bell, ForkLock, parse_local_url

ScriptedResponse = Response | int | Exception | Callable[[Request], Response | int]
"""A response, a status, an exception to raise, or a function that makes a response or a status from the request."""

_SUCCESS = 2
_TOKEN_SECONDS = 900


class MemoryTransport(Transport):
    """Record what was sent, for tests; safe to use from any number of threads.

    Args:
        *responses: The first responses, in this order.
        default: Every response after those. Default: 202, or 400 if the events cannot be decoded.
        offline: False to act as a real server: a client with a public key then requests a session, and gets a token
            unless a response is scripted.
        clock: Returns Unix seconds; a session expires 15 minutes later.

    Attributes:
        requests: Every request, in order.
        events: The events of the ingestion requests that got a 2xx response, in order, as decoded JSON.
    """

    url = "memory:"

    def __init__(
        self,
        *responses: ScriptedResponse,
        default: ScriptedResponse | None = None,
        offline: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.offline = offline
        self.requests: list[Request] = []
        self.events: list[dict[str, Any]] = []
        self._responses = deque(responses)
        self._default = default
        self._clock = clock
        self._lock = ForkLock()
        self._changed = Bell()

    @classmethod
    def from_url(cls, url: str) -> MemoryTransport:
        """Make the transport for "memory:".

        Raises:
            SegOpsConfigError: Something follows the scheme.
        """
        parse_local_url(url, example="memory:, or pass a MemoryTransport as transport to share one")
        return cls()

    def __repr__(self) -> str:
        """Show how much was sent, but no data."""
        return f"MemoryTransport({len(self.requests)} requests, {len(self.events)} events)"

    def send(self, request: Request, *, timeout: float) -> Response:  # noqa: ARG002 - it returns at once
        """Record the request, and return the next response."""
        with self._lock:
            self.requests.append(request)
            scripted = self._responses.popleft() if self._responses else self._default
        response = self._respond(request, scripted)
        if response.status // 100 == _SUCCESS:
            with self._lock:
                self.events += _events(request) or []
            self._changed.ring()
        return response

    def respond_with(self, *responses: ScriptedResponse) -> None:
        """Add responses after those that are still scripted."""
        with self._lock:
            self._responses += responses

    def clear(self) -> None:
        """Discard what was recorded, and the responses that are still scripted."""
        with self._lock:
            self.requests.clear()
            self.events.clear()
            self._responses.clear()

    def wait_for(self, n_events: int, timeout: float = 5.0) -> bool:
        """Wait until `n_events` events have arrived in total; return False if they have not after `timeout` seconds."""
        return self._changed.wait_for(lambda: len(self.events) >= n_events, timeout)

    def _respond(self, request: Request, scripted: ScriptedResponse | None) -> Response:
        if scripted is None:
            return self._session(request) if request.path == SESSION_PATH else _ingest(request)
        if isinstance(scripted, Exception):
            raise scripted
        response = scripted(request) if callable(scripted) else scripted
        return json_response(response, {}) if isinstance(response, int) else response

    def _session(self, request: Request) -> Response:
        user: dict[str, Any] = msgspec.json.decode(request.body or b"{}")
        uid = user.get("user_id") or f"anon_{user.get('anonymous_id', 'anonymous')}"
        expires_at = datetime.fromtimestamp(int(self._clock()) + _TOKEN_SECONDS, timezone.utc)
        session = {"token": f"memory-token-of-{uid}", "expires_at": expires_at, "uid": uid}
        return json_response(200, session)


def _ingest(request: Request) -> Response:
    events = _events(request)
    if events is None:
        return json_response(400, {"detail": "The body is not the JSON of events."})
    return accepted(request, len(events))


def _events(request: Request) -> list[dict[str, Any]] | None:
    """Return the events of a request, or None if its body cannot be decoded."""
    try:
        return [msgspec.json.decode(event, type=dict[str, Any]) for event in read_events(request)]
    except msgspec.MsgspecError:
        return None
