"""A client with a fake clock, connected to a server that responds as a function decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from segops import SegOpsClient
from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH, Request, Response
from segops.core.retry import Clock
from segops.testing import FakeClock
from segops.transports.memory import MemoryTransport

SECRET = "sk_test_planted_secret_1"
PUBLIC = "pk_test_planted_public_1"
NEVER = 1_000_000
"""A batch size that no test reaches: only a flush sends."""

Reply = Response | int | Exception
Responder = Callable[[Request], Reply]


class Server(MemoryTransport):
    """Respond as a function decides, and record the requests; the record is the oracle, not the client.

    Attributes:
        times: When the requests arrived, on `clock`.
    """

    url = "https://api.example.org"

    def __init__(self, responder: Responder, clock: FakeClock) -> None:
        super().__init__(default=self._make_response, offline=False)
        self.responder = responder
        self.times: list[float] = []
        self._fake_clock = clock

    @property
    def stored(self) -> list[str]:
        """The user ids of the events that got a 2xx response."""
        return [event["user_id"] for event in self.events]

    def send(self, request: Request, *, timeout: float) -> Response:
        assert timeout > 0
        self.times.append(self._fake_clock.monotonic())
        return super().send(request, timeout=timeout)

    def _make_response(self, request: Request) -> Response:
        reply_or_error = self.responder(request)
        if isinstance(reply_or_error, Exception):
            raise reply_or_error
        return reply_or_error if isinstance(reply_or_error, Response) else reply(reply_or_error)

    def ingestion(self) -> list[Request]:
        """Return the requests that carried events."""
        return [request for request in self.requests if request.path != SESSION_PATH]

    def mints(self) -> list[Request]:
        """Return the handshakes."""
        return [request for request in self.requests if request.path == SESSION_PATH]


class Rig(NamedTuple):
    """A client and all that a test looks at."""

    client: SegOpsClient
    server: Server
    clock: FakeClock
    errors: list[Exception]

    def track(self, *names: str) -> None:
        """Track one event for each user."""
        for name in names:
            self.client.track(user_id=name, event_type="order_placed")

    def balanced(self) -> bool:
        """Tell whether the ledger balances and agrees with the server's own journal."""
        stats = self.client.stats()
        return stats.accepted == stats.delivered + sum(
            stats.dropped.values()
        ) + stats.pending and stats.delivered == len(self.server.stored)


class MakeRig(Protocol):
    """Makes a rig whose client is closed at the end of the test."""

    def __call__(self, responder: Responder = ..., *, key: str = ..., **options: Any) -> Rig: ...


def build(responder: Responder = lambda _: 202, *, key: str = SECRET, **options: Any) -> Rig:
    """Make a rig; by default it sends inline, and only when flushed."""
    clock = options.pop("clock", None) or FakeClock()
    errors: list[Exception] = []
    server = Server(responder, clock)
    settings: dict[str, Any] = {"worker": "inline", "batch_size": NEVER, "on_error": errors.append, **options}
    client = SegOpsClient(api_key=key, transport=server, clock=cast("Clock", clock), **settings)
    return Rig(client, server, clock, errors)


def script(*replies: Reply) -> Responder:
    """Return these responses, then 202."""
    waiting = list(replies)
    return lambda _: waiting.pop(0) if waiting else 202


def reply(status: int, body: bytes = b'{"detail": "scripted"}', **headers: str) -> Response:
    """Return a response; underscores in header names stand for hyphens."""
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def events(request: Request) -> list[dict[str, Any]]:
    """Return the events that a request carries."""
    if request.path == SINGLE_PATH:
        return [msgspec.json.decode(request.body)]
    assert request.path == BATCH_PATH
    return list(msgspec.json.decode(request.body)["events"])


def users(request: Request) -> list[str]:
    """Return the user ids in a request."""
    return [event["user_id"] for event in events(request)]


def names(count: int) -> list[str]:
    """Return so many user ids, all different."""
    return [f"user-{number}" for number in range(count)]


def idempotency_key(request: Request) -> str:
    """Return the key that names a request."""
    return request.headers["Idempotency-Key"]
