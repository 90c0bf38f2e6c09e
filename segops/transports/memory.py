"""Keep requests in memory, and answer them as a test wants."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgspec

from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH, Request, Response, Transport
from segops.utils import Bell, ForkLock, parse_local_url

Answer = Response | int | Exception | Callable[[Request], Response]
"""What to answer: a response, a status, an exception to raise, or a function that makes the response."""

_JSON = {"content-type": "application/json"}
_SUCCESS = 2
_TOKEN_SECONDS = 900


class _Batch(msgspec.Struct):
    events: list[dict[str, Any]]


class MemoryTransport(Transport):
    """Remembers what was sent, for tests; for any number of threads.

    Args:
        *answers: What to answer, in this order; after that 202, or 400 if events cannot be read.
        offline: False to be taken for a real server: a client with a public key then asks for a session, which is
            answered with a token unless an answer is scripted.
        clock: Returns unix seconds; a session lasts 15 minutes from there.

    Attributes:
        requests: Every request, in order.
        events: The events of the ingestion requests that were answered with 2xx, in order, as decoded JSON.
    """

    url = "memory:"

    def __init__(self, *answers: Answer, offline: bool = True, clock: Callable[[], float] = time.time) -> None:
        self.offline = offline
        self.requests: list[Request] = []
        self.events: list[dict[str, Any]] = []
        self._answers = deque(answers)
        self._clock = clock
        self._lock = ForkLock()
        self._changed = Bell()

    @classmethod
    def from_url(cls, url: str) -> MemoryTransport:
        """Make the transport for "memory:".

        Raises:
            SegOpsConfigError: More follows the scheme.
        """
        parse_local_url(url, example="memory:, or pass a MemoryTransport as transport to share one")
        return cls()

    def __repr__(self) -> str:
        """Show how much was sent, but none of it."""
        return f"MemoryTransport({len(self.requests)} requests, {len(self.events)} events)"

    def send(self, request: Request, *, timeout: float) -> Response:  # noqa: ARG002 - it takes no time
        """Remember the request and give the next answer."""
        with self._lock:
            self.requests.append(request)
            answer = self._answers.popleft() if self._answers else None
        response = self._respond(request, answer)
        if response.status // 100 == _SUCCESS:
            with self._lock:
                self.events += _events(request) or []
            self._changed.ring()
        return response

    def answer(self, *answers: Answer) -> None:
        """Add answers after those that are still to be given."""
        with self._lock:
            self._answers += answers

    def clear(self) -> None:
        """Forget what was sent, and the answers that are still to be given."""
        with self._lock:
            self.requests.clear()
            self.events.clear()
            self._answers.clear()

    def wait_for(self, n_events: int, timeout: float = 5.0) -> bool:
        """Wait until `n_events` events have arrived in all; return False if they did not within `timeout` seconds."""
        return self._changed.wait_for(lambda: len(self.events) >= n_events, timeout)

    def _respond(self, request: Request, answer: Answer | None) -> Response:
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, int):
            return Response(answer, _JSON, b"{}")
        if answer is not None:
            return answer(request)
        if request.path == SESSION_PATH:
            return self._session(request)
        events = _events(request)
        if events is None:
            return Response(400, _JSON, b'{"detail":"The body is not the JSON of events."}')
        taken = {"queued": len(events), "skipped": 0} if request.path == BATCH_PATH else {"queued": True}
        return Response(202, _JSON, msgspec.json.encode(taken))

    def _session(self, request: Request) -> Response:
        """Answer the handshake as wire-protocol.md, section 3.2 has it."""
        user: dict[str, Any] = msgspec.json.decode(request.body or b"{}")
        uid = user.get("user_id") or f"anon_{user.get('anonymous_id', 'anonymous')}"
        expires_at = datetime.fromtimestamp(int(self._clock()) + _TOKEN_SECONDS, timezone.utc)
        session = {"token": f"memory-token-of-{uid}", "expires_at": expires_at, "uid": uid}
        return Response(200, _JSON, msgspec.json.encode(session))


def _events(request: Request) -> list[dict[str, Any]] | None:
    """Return the events of a request, none if it is for something else; None if its body cannot be read."""
    try:
        if request.path == SINGLE_PATH:
            return [msgspec.json.decode(request.body, type=dict[str, Any])]
        if request.path == BATCH_PATH:
            return msgspec.json.decode(request.body, type=_Batch).events
    except msgspec.MsgspecError:
        return None
    return []
