"""A client that retries quickly over real sockets, and checks of its results."""

from __future__ import annotations

import time
from typing import Any, Protocol

import msgspec

from segops import RetryPolicy, SegOpsClient
from segops.core import Transport
from tests.rig.fault_server import FaultServer
from tests.rig.wire import Received

SECRET = "sk_test_planted_secret_of_the_network"
QUICK = RetryPolicy(base=0.01, cap=0.05)
PATIENCE = 40.0
TIMEOUT = 20.0
"""Seconds that a request may take, unless a test is about that: on a slow machine a quick one takes longer, too."""


class Desk:
    """A client and the errors that it reported."""

    def __init__(self, where: str | Transport, **options: Any) -> None:
        self.errors: list[Exception] = []
        settings: dict[str, Any] = {"retry": QUICK, "timeout": TIMEOUT, "on_error": self.errors.append, **options}
        place = {"api_url": where} if isinstance(where, str) else {"transport": where}
        self.client = SegOpsClient(api_key=SECRET, **place, **settings)

    def track(self, *names: str) -> None:
        """Track an event for each name; it takes no time, whatever the network does."""
        started = time.monotonic()
        for name in names:
            self.client.track(user_id=name, event_type="x")
        assert time.monotonic() - started < TIMEOUT / 4, "`track` waits for nothing"
        assert self.balanced()

    def balanced(self) -> bool:
        """Return whether the ledger balances."""
        stats = self.client.stats()
        return stats.accepted == stats.delivered + sum(stats.dropped.values()) + stats.pending

    def flush_fails(self, seconds: float) -> None:
        """Flush, and check that it fails in time and loses nothing."""
        started = time.monotonic()
        assert not self.client.flush(seconds)
        assert time.monotonic() - started < seconds + TIMEOUT / 2, "0.2 s are promised; the rest is for a slow machine"
        stats = self.client.stats()
        assert (stats.delivered, stats.dropped) == (0, {})
        assert stats.pending > 0
        assert self.balanced()

    def delivers(self, count: int) -> bool:
        """Flush; return whether `count` events are delivered in total, with none dropped or pending."""
        flushed = self.client.flush(PATIENCE)
        stats = self.client.stats()
        return flushed and (stats.delivered, stats.dropped, stats.pending) == (count, {}, 0) and self.balanced()


class MakeDesk(Protocol):
    """Makes a desk whose client is closed at the end of the test."""

    def __call__(self, where: str | Transport, **options: Any) -> Desk: ...


def users(received: Received) -> list[str]:
    """Return the user ids of the events in a request."""
    return [event["user_id"] for event in msgspec.json.decode(received.body)["events"]]


def stored(server: FaultServer) -> list[str]:
    """Return the user ids of the events that reached the server, in order."""
    return [name for received in server.journal for name in users(received)]


def same_request(server: FaultServer) -> bool:
    """Return whether all requests are identical, including the idempotency key."""
    return len({(each.headers["idempotency-key"], each.body, each.target) for each in server.journal}) == 1
