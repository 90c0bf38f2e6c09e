"""Observers: exact counts, off the caller's thread, under no lock, and their failures kept apart."""

import threading
from typing import Any

from segops import Observer, RetryPolicy, SegOpsClient, hookimpl
from segops.core import DropReason
from segops.transports.memory import MemoryTransport
from tests.rig.plugins import Enriching


class Watching(Observer):
    """Counts what it hears and tries, each time, what would deadlock under a lock."""

    name = "watching"

    def __init__(self) -> None:
        self.delivered: list[int] = []
        self.seconds: list[float] = []
        self.dropped: list[tuple[DropReason, int]] = []
        self.retries: list[tuple[str, float]] = []
        self.threads: set[str] = set()
        self.client: SegOpsClient | None = None

    @hookimpl
    def segops_register_observers(self) -> list[Observer]:
        return [self]

    def on_delivered(self, count: int, seconds: float) -> None:
        self.delivered.append(count)
        self.seconds.append(seconds)
        self._look()

    def on_retry(self, error: Exception, delay: float) -> None:
        self.retries.append((type(error).__name__, delay))
        self._look()

    def on_drop(self, reason: DropReason, count: int) -> None:
        self.dropped.append((reason, count))
        self._look()

    def _look(self) -> None:
        self.threads.add(threading.current_thread().name)
        if self.client is not None:
            other = threading.Thread(target=self.client.stats)
            other.start()
            other.join(60)
            assert not other.is_alive(), "stats() of another thread waits for an observer"
            self.client.stats()


class Raising(Observer):
    name = "raising"

    @hookimpl
    def segops_register_observers(self) -> list[Observer]:
        return [self]

    def on_delivered(self, count: int, seconds: float) -> None:
        raise RuntimeError(count, seconds)

    def on_drop(self, reason: DropReason, count: int) -> None:
        raise RuntimeError(reason, count)


def _track(client: SegOpsClient, times: int, **fields: Any) -> None:
    for _ in range(times):
        client.track(**{"user_id": "u-1", "event_type": "order_placed", **fields})


def test_they_hear_of_every_event_once_and_never_on_the_thread_that_tracks() -> None:
    watching = Watching()
    transport = MemoryTransport()
    with SegOpsClient(transport=transport, plugins=[Raising(), watching]) as client:
        watching.client = client
        _track(client, 1200)
        client.flush()
        _track(client, 3, user_id="")
        _track(client, 2, payload={"a": "a" * 40_000})
        client.flush()
    assert sum(watching.delivered) == len(transport.events) == 1200
    assert len(watching.delivered) == len(transport.requests)
    assert all(seconds >= 0 for seconds in watching.seconds)
    dropped = dict.fromkeys((reason for reason, _ in watching.dropped), 0)
    for reason, count in watching.dropped:
        dropped[reason] += count
    assert dropped == client.stats().dropped == {"invalid": 3, "too_large": 2}
    assert threading.current_thread().name not in watching.threads


def test_they_hear_of_each_retry() -> None:
    watching = Watching()
    transport = MemoryTransport(503, 503)
    retry = RetryPolicy(base=0.001, cap=0.002)
    with SegOpsClient(transport=transport, worker="inline", plugins=[watching], retry=retry) as client:
        _track(client, 1)
        client.flush()
    assert [error for error, _ in watching.retries] == ["SegOpsServerError"] * 2
    assert client.stats().retries == 2
    assert watching.delivered == [1]


def test_they_hear_of_what_an_enricher_dropped_even_if_nothing_else_happened() -> None:
    watching = Watching()
    with SegOpsClient("memory:", plugins=[Enriching(lambda _: None), watching]) as client:
        _track(client, 2)
    assert sum(count for _, count in watching.dropped) == 2
    assert {reason for reason, _ in watching.dropped} == {"plugin"}


def test_what_an_observer_tracks_is_dropped_so_that_it_cannot_feed_itself() -> None:
    class Feeding(Watching):
        def on_delivered(self, count: int, seconds: float) -> None:
            super().on_delivered(count, seconds)
            assert self.client is not None
            _track(self.client, 1)

    feeding = Feeding()
    with SegOpsClient("memory:", plugins=[feeding]) as client:
        feeding.client = client
        _track(client, 1)
        client.flush()
    assert feeding.delivered == [1]
    assert client.stats().dropped == {"plugin": 1}
