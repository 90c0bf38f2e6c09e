"""A server that handles each request in a random way, most of them well, and records what it accepted."""

from __future__ import annotations

import random
import threading

import msgspec

from tests.rig.fault_server import (
    Call,
    Fault,
    FaultServer,
    cut,
    drip,
    endless_headers,
    hang_up,
    hold,
    raw,
    redirect,
    reset,
    respond,
    stall,
)

FAULTS: list[Fault] = [
    stall(),
    hold(),
    reset(),
    reset(read=False),
    hang_up(),
    hang_up(read=False),
    cut(20),
    drip(),
    drip(headers=True),
    endless_headers(),
    redirect("http://127.0.0.1:9/elsewhere/"),
    *[respond(status, b'{"detail": "moody"}') for status in (400, 401, 408, 413, 422, 425, 500, 502, 503, 504)],
    *[respond(429, headers={"Retry-After": value}) for value in ("0", "abc", "-5", "1.5", "")],
]


class MoodyServer(FaultServer):
    """Responds well to three requests of five, and fails in some way on the others.

    Attributes:
        stored: The ids of the events in all requests that got a 2xx response.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.stored: set[str] = set()
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def next_fault(self) -> Fault:
        with self._lock:
            if self._random.random() < 0.6:
                return self._take(close=self._random.random() < 0.1)
            return self._random.choice(FAULTS)

    def _take(self, *, close: bool) -> Fault:
        def fault(call: Call) -> None:
            received = call.read()
            self.journal.clear()  # it would grow; `stored` says what is needed
            events = msgspec.json.decode(received.body)["events"]
            self.stored |= {event["user_id"] for event in events}
            call.peer.send(raw())
            if close:
                call.peer.close()

        return fault
