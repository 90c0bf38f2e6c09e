"""Run `segops dev` with a given number of events in its own process, and time its responses."""

from __future__ import annotations

import http.client
import signal
import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.load import payload
from segops.core import BATCH_PATH, Request
from segops.emulator import LocalSegOps
from tests.rig.programs import DevProcess, alone

BATCH = 500
DAYS = 90

_START = 1_735_689_600  # 2025-01-01, so that all events are in the past
_TYPES = ("order_placed", "page_viewed", "product_viewed", "ai_referral_session")
_EXTRA = {"ai_referral_session": {"source_provider": "chatgpt", "landing_url": "https://shop.example.org/k/7"}}


def events(first: int, count: int) -> list[dict[str, Any]]:
    """Return events of four types, three per user, spread over 90 days."""
    made = []
    for number in range(first, first + count):
        event_type = _TYPES[number % 97 % 4 if number % 97 < 96 else 3]
        at = time.gmtime(_START + number * 7919 % (DAYS * 86_400))
        made.append(
            {
                "user_id": f"user-{number * 31 % max(1, (first + count) // 3)}",
                "event_type": event_type,
                "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", at),
                "payload": {**payload(number), **_EXTRA.get(event_type, {})},
            }
        )
    return made


def batches(first: int, count: int) -> list[bytes]:
    """Return the bodies of requests that store `count` events."""
    encode = msgspec.json.Encoder().encode
    return [
        encode({"events": events(start, min(BATCH, first + count - start))})
        for start in range(first, first + count, BATCH)
    ]


def store(local: LocalSegOps, bodies: list[bytes]) -> float:
    """Store events within this process; return the seconds."""
    headers = {"authorization": f"ApiKey {local.secret_key}"}
    started = time.perf_counter()
    for body in bodies:
        assert local.handle(Request("POST", BATCH_PATH, headers, body)).status == 202
    return time.perf_counter() - started


def fill(path: Path, count: int) -> None:
    """Create a database of `count` events."""
    with LocalSegOps(path) as local:
        for first in range(0, count, 50_000):
            store(local, batches(first, min(50_000, count - first)))


class Dev(DevProcess):
    """A running `segops dev` with a database."""

    def __init__(self, path: Path) -> None:
        super().__init__(alone(path.parent), "--db", str(path))
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Close the connection, and end the process."""
        self._connection.close()
        return super().stop(number)

    def ask(self, path: str) -> None:
        """Send a request and read the response to its end."""
        self._connection.request("GET", path, headers={"Authorization": f"ApiKey {self.secret_key}"})
        response = self._connection.getresponse()
        data = response.read()
        assert response.status == 200, data

    def p50(self, path: str, calls: int) -> float:
        """Return the median response time in seconds."""
        taken = []
        for _ in range(calls):
            started = time.perf_counter()
            self.ask(path)
            taken.append(time.perf_counter() - started)
        return median(taken)
