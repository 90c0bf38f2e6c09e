"""The outcome of one tracked event."""

import json
from typing import Any

from segops import SegOpsClient, Stats
from segops.transports.memory import MemoryTransport

FIELDS: dict[str, Any] = {"user_id": "u-1", "event_type": "order_placed"}


class Outcome:
    """Tracks one event with a client of its own, lets it be delivered, and keeps what came of it."""

    def __init__(self, **fields: Any) -> None:
        self.errors: list[Exception] = []
        transport = MemoryTransport()
        with SegOpsClient(transport=transport, worker="inline", on_error=self.errors.append) as client:
            client.track(**{**FIELDS, **fields})
        self.stats: Stats = client.stats()
        self.bodies = [request.body for request in transport.requests]

    @property
    def event(self) -> dict[str, Any]:
        """The one event that arrived, read by the standard library's parser, with nothing lost or dropped."""
        assert (self.stats.accepted, self.stats.delivered, self.stats.dropped) == (1, 1, {}), self.errors
        [event] = json.loads(self.bodies[0])["events"]
        assert isinstance(event, dict)
        return event

    @property
    def payload(self) -> Any:
        return self.event.get("payload", {})

    def dropped(self, reason: str) -> Exception:
        """Check that the event was dropped, once and for this reason, and return what `on_error` got."""
        assert (self.stats.accepted, self.stats.dropped, self.stats.pending) == (1, {reason: 1}, 0)
        assert self.bodies == []
        [error] = self.errors
        return error


def sent(value: Any, coerced: int = 0) -> Any:
    """Return what arrives of a payload value, checking how many values the ledger calls coerced."""
    outcome = Outcome(payload={"value": value})
    assert outcome.stats.coerced == coerced
    return outcome.payload["value"]
