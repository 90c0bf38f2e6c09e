"""The cost of an event from `track()` until the server has accepted it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

import msgspec
import pytest

from bench.conftest import MakeClient
from bench.load import TYPE, USER, payload
from bench.processes import HERE, OURS, python
from bench.report import Bench, Goal
from segops import Event, SegOpsClient
from segops.core import BATCH_PATH
from segops.transports.memory import MemoryTransport

EVENTS = 20_000


def driven(url: str, batch_size: int, package: Path = OURS) -> dict[str, float]:
    """Run drive.py in a fresh process with this package or the vendor's."""
    costs: dict[str, float] = json.loads(
        python(str(HERE / "drive.py"), url, str(EVENTS), str(batch_size), package=package)
    )
    return costs


@pytest.mark.parametrize(
    ("batch_size", "goals"),
    [(20, (Goal("≤", 1 / 10), Goal("≥", 8.0))), (500, (Goal("≤", 1 / 4), Goal("≥", 3.0)))],
)
def test_against_the_vendor(bench: Bench, sink: str, vendor: Path, batch_size: int, goals: tuple[Goal, Goal]) -> None:
    pairs = bench.alternate(lambda: driven(sink, 20), lambda: driven(sink, batch_size, vendor), 9)
    against = f"vendor, batch_size={batch_size}"
    cpu, rate = ([(ours[name], theirs[name]) for ours, theirs in pairs] for name in ("cpu", "rate"))
    bench.row("CPU per event, over HTTP", cpu, unit="s", against=against, goal=goals[0])
    bench.row("events, end to end over HTTP", rate, unit="/s", against=against, goal=goals[1])


def rate_of(client: SegOpsClient, events: int = EVENTS) -> float:
    """Return the events per second from the first `track()` until all are delivered."""
    started = time.perf_counter()
    for number in range(events):
        client.track(user_id=USER, event_type=TYPE, payload=payload(number))
    assert client.flush(10)
    return events / (time.perf_counter() - started)


def bare(send: Callable[[bytes], None]) -> float:
    """Encode and send the same events in a bare loop, 500 at a time; return the events per second."""
    encode = msgspec.json.Encoder().encode
    waiting: list[bytes] = []
    started = time.perf_counter()
    for number in range(EVENTS):
        waiting.append(encode(Event(USER, TYPE, datetime.now(timezone.utc), payload(number))))
        if len(waiting) == 500:
            send(b'{"events":[' + b",".join(waiting) + b"]}")
            waiting.clear()
    return EVENTS / (time.perf_counter() - started)


def test_over_http(bench: Bench, make_client: MakeClient, sink: str) -> None:
    client = make_client(sink)
    connection = http.client.HTTPConnection(sink.removeprefix("http://"))

    def post(body: bytes) -> None:
        connection.request("POST", BATCH_PATH, body, {"Content-Type": "application/json"})
        connection.getresponse().read()

    pairs = bench.alternate(lambda: rate_of(client), lambda: bare(post), 7)
    connection.close()
    bench.row("events, end to end over HTTP", pairs, unit="/s", against="bare loop, http.client")


def test_to_memory(bench: Bench, make_client: MakeClient) -> None:
    kept: list[object] = []
    client = make_client("memory:")
    transport = client.transport
    assert isinstance(transport, MemoryTransport)

    def ours() -> float:
        transport.clear()
        kept.clear()
        return rate_of(client)

    pairs = bench.alternate(ours, lambda: bare(lambda body: kept.extend(msgspec.json.decode(body)["events"])), 9)
    bench.row("events, end to end to memory:", pairs, unit="/s", against="bare loop, list")


def test_ten_million_events_through_one_client(bench: Bench, make_client: MakeClient, sink: str) -> None:
    """Compare windows of 1,000 events after 1,000 events and after ten million."""

    def late_and_early() -> tuple[float, float]:
        client = make_client(sink)
        rate_of(client, 1000)
        early = median(1 / rate_of(client, 1000) for _ in range(100))
        while client.stats().delivered < 10_000_000:
            rate_of(client, 100_000)
        late = median(1 / rate_of(client, 1000) for _ in range(100))
        client.shutdown()
        return late, early

    pairs = bench.repeat(late_and_early, 3)
    bench.row("an event, after ten million", pairs, unit="s", against="after a thousand", goal=Goal("≤", 1.15))
