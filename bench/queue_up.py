"""Queue 100,000 events, and print their memory and the sum of their encoded bytes as JSON.

Usage: python queue_up.py peak|traced
"peak" is the peak memory of the process; "traced" is what Python allocated for the events.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import tracemalloc
from pathlib import Path

from segops import SegOpsClient
from segops.core import Request, Response, Transport

EVENTS = 100_000


class Stalled(Transport):
    """A transport that never responds."""

    offline = True

    def send(self, request: Request, *, timeout: float) -> Response:  # noqa: ARG002 - the signature of the base class
        """Block forever."""
        threading.Event().wait()
        return Response(202)


def peak() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main(kind: str) -> None:
    client = SegOpsClient(transport=Stalled())
    client.track(user_id="user-1234", event_type="order_placed")  # imports modules and starts the thread
    if kind == "traced":
        tracemalloc.start()
    for number in range(EVENTS):
        payload = {"order_id": f"ord-{number}", "total": number * 0.25, "quantity": number % 7}
        client.track(
            user_id="user-1234", event_type="order_placed", payload={**payload, "currency": "USD", "is_first": True}
        )
    stats = client.stats()
    assert stats.pending == EVENTS + 1
    taken = tracemalloc.get_traced_memory()[0] if kind == "traced" else peak()
    print(json.dumps([taken, stats.pending_bytes]), flush=True)
    os._exit(0)  # skips the delivery at exit


if __name__ == "__main__":
    main(sys.argv[1])
