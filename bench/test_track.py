"""The cost of a call of `track()` for its caller."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone

import msgspec
import pytest

from bench.conftest import MakeClient
from bench.load import PAYLOAD, TYPE, USER, p50, p999
from bench.report import Bench, Goal
from segops import Event, SegOpsClient, hookimpl
from segops.core import Enricher

ROUNDS = 30


class OfOtherTypes:
    """Registers an enricher for other event types than the benchmark's."""

    @hookimpl
    def segops_register_enrichers(self) -> list[Enricher]:
        return [Enricher(name="other", event_types=frozenset({"other"}), enrich=lambda event: event)]


def tracking(client: SegOpsClient) -> Callable[[], None]:
    track = client.track
    return lambda: track(user_id=USER, event_type=TYPE, payload=PAYLOAD)


def p50_of(client: SegOpsClient) -> float:
    """Return the p50 of `track()`, and empty the queue."""
    taken = p50(tracking(client))
    assert client.flush(10)
    return taken


def test_track_against_the_floor(bench: Bench, make_client: MakeClient, sink: str) -> None:
    queue: deque[bytes] = deque()
    encode = msgspec.json.Encoder().encode
    now = datetime.now(timezone.utc)

    def floor() -> None:
        queue.append(encode(Event(USER, TYPE, now, PAYLOAD)))

    def floor_with_clock() -> None:
        queue.append(encode(Event(USER, TYPE, datetime.now(timezone.utc), PAYLOAD)))

    def floors() -> tuple[float, float]:
        queue.clear()
        return p50(floor), p50(floor_with_clock)

    client = make_client(sink)
    both = bench.alternate(lambda: p50_of(client), floors, ROUNDS)
    without_clock, with_clock = ([(ours, pair[index]) for ours, pair in both] for index in (0, 1))
    bench.row("track() p50", without_clock, unit="s", against="encode, append", goal=Goal("≤", 1.5))
    bench.row("track() p50", with_clock, unit="s", against="clock, encode, append")


def test_an_enricher_of_other_types(bench: Bench, make_client: MakeClient) -> None:
    plain, enriched = make_client("memory:"), make_client("memory:", plugins=[OfOtherTypes()])
    pairs = bench.alternate(lambda: p50_of(enriched), lambda: p50_of(plain), ROUNDS)
    bench.row("track() p50, one more enricher", pairs, unit="s", against="without it", goal=Goal("≤", 1.03))


@pytest.mark.parametrize("referrer", [None, "https://www.example.com/blog", "https://chatgpt.com/c/1?q=shoes"])
def test_page_views(
    bench: Bench, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, referrer: str | None
) -> None:
    recognising = make_client("memory:")
    monkeypatch.setenv("SEGOPS_PLUGINS", "-ai_referrer")
    plain = make_client("memory:")

    def view(client: SegOpsClient) -> float:
        taken = p50(lambda: client.track_page_view(USER, url="https://shop.example.org/shoes", referrer=referrer))
        assert client.flush(10)
        return taken

    pairs = bench.alternate(lambda: view(recognising), lambda: view(plain), ROUNDS)
    kind = "none" if referrer is None else referrer.split("/")[2]
    bench.row(f"track_page_view() p50, referrer {kind}", pairs, unit="s", against="plugin off")


def test_a_black_hole(bench: Bench, make_client: MakeClient, sink: str, black_hole: str) -> None:
    def slowest(url: str, shutdown: float) -> float:
        client = make_client(url)
        taken = p999(tracking(client))
        client.shutdown(shutdown)
        return taken

    pairs = bench.alternate(lambda: slowest(black_hole, 0), lambda: slowest(sink, 10), 15)
    bench.row("track() p99.9, server never responds", pairs, unit="s", against="healthy server", goal=Goal("≤", 2.0))


def test_threads(bench: Bench, make_client: MakeClient, sink: str) -> None:
    client = make_client(sink)

    def rate(threads: int, events: int = 16_000) -> float:
        def run() -> None:
            track = tracking(client)
            for _ in range(events // threads):
                track()

        workers = [threading.Thread(target=run) for _ in range(threads)]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        taken = time.perf_counter() - started
        assert client.flush(10)
        return events / taken

    pairs = bench.alternate(lambda: rate(8), lambda: rate(1), 9)
    bench.row("8 threads tracking", pairs, unit="/s", against="1 thread", goal=Goal("≥", 0.85))
