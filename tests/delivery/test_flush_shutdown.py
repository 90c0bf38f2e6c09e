"""What `flush` and `shutdown` promise, and the ledger under many threads: issue rows 27 and 49."""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from segops import SegOpsClient, Stats
from segops.core import Request, Response, SegOpsConfigError, SegOpsTransportError, Transport
from segops.core.options import Limits
from segops.transports.memory import MemoryTransport
from tests.rig.fault_server import Call, FaultServer, hold, raw, respond, stall
from tests.rig.harness import MakeRig, names, script

KEY = "sk_test_flush"


def test_flush_of_nothing_is_true(make: MakeRig) -> None:
    rig = make()
    assert rig.client.flush()
    assert rig.server.requests == []


def test_each_loss_makes_one_flush_false(make: MakeRig) -> None:
    rig = make(script(), limits=Limits(max_events=2))
    rig.track("a", "b", "one too many")
    assert [rig.client.flush(), rig.client.flush()] == [False, True]
    rig.track("")
    assert [rig.client.flush(), rig.client.flush()] == [False, True]
    rig.server.responder = script(400)
    rig.track("a")
    assert [rig.client.flush(), rig.client.flush()] == [False, True]


def test_flush_in_a_hold_returns_at_once_and_sends_nothing(make: MakeRig) -> None:
    rig = make(lambda _: 401)
    rig.track("a")
    for _ in range(3):
        assert not rig.client.flush(1e6)
    assert (rig.clock.monotonic(), len(rig.server.requests)) == (0.0, 1)


def test_flush_waits_for_what_a_retry_cures(make: MakeRig) -> None:
    rig = make(script(503, 503, 503))
    rig.track("a")
    assert not rig.client.flush(0.0)
    assert rig.client.flush(10.0)


def test_flush_ends_at_its_deadline(make: MakeRig) -> None:
    rig = make(lambda _: 503)
    rig.track("a")
    assert not rig.client.flush(10.0)
    assert rig.clock.monotonic() <= 10.0


def test_flush_gives_up_by_itself_when_nothing_helps(make: MakeRig) -> None:
    rig = make(lambda _: SegOpsTransportError("refused"))
    rig.track("a")
    assert not rig.client.flush()
    assert 0 < rig.clock.monotonic() <= 310


@pytest.mark.parametrize("seconds", [1e10, 1e300, threading.TIMEOUT_MAX, 60])
def test_any_finite_timeout_will_do(seconds: float) -> None:
    client = SegOpsClient(api_key=KEY, transport=MemoryTransport(), limits=Limits(hold=1e12))
    client.track(user_id="a", event_type="x")
    assert client.flush(seconds)
    client.track(user_id="a", event_type="x")
    assert client.flush()
    client.track(user_id="a", event_type="x")
    assert client.shutdown(seconds)


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, "5", True])
def test_a_timeout_that_is_none_is_refused(make: MakeRig, seconds: Any) -> None:
    rig = make()
    with pytest.raises(SegOpsConfigError):
        rig.client.flush(seconds)
    with pytest.raises(SegOpsConfigError):
        rig.client.shutdown(seconds)


@pytest.mark.parametrize("fault", [stall, hold])
@pytest.mark.parametrize("verb", ["flush", "shutdown"])
@pytest.mark.parametrize("worker", ["thread", "inline"])
def test_a_black_hole_bounds_flush_and_shutdown(fault: Callable[[], Any], verb: str, worker: Any) -> None:
    """Row 3: measured against the timeout of a request, which is much longer.

    The server gets the whole time of a flush, and nine tenths of that of a shutdown: the rest is kept for `on_error`,
    which hears of what was given up before the call returns.
    """
    patience = 0.2 if verb == "flush" else 0.9 * 0.2
    with FaultServer(*[fault()] * 20) as server:
        client = SegOpsClient(server.url, KEY, timeout=60.0, worker=worker)
        client.track(user_id="a", event_type="x")
        started = time.monotonic()
        assert not getattr(client, verb)(0.2)
        assert patience - 0.01 <= time.monotonic() - started < 60.0 / 4
        client.shutdown(0)


def test_flush_tells_the_truth_over_a_real_socket() -> None:
    with FaultServer(respond(503), respond(202), respond(400)) as server:
        client = SegOpsClient(server.url, KEY)
        client.track(user_id="a", event_type="x")
        assert client.flush()
        client.track(user_id="b", event_type="x")
        assert not client.flush()
        assert client.flush()
        client.shutdown()
        first, second, _ = server.journal
    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert client.stats().dropped == {"rejected": 1}


def test_shutdown_is_idempotent_and_what_comes_after_is_counted(make: MakeRig) -> None:
    """Row 27."""
    rig = make()
    rig.track("a")
    assert rig.client.shutdown()
    assert rig.client.shutdown()
    rig.client.close()
    rig.track("b", "c")
    assert rig.client.stats().dropped == {"closed": 2}
    assert len(rig.server.requests) == 1
    assert not rig.client.flush()


def test_shutdown_tells_of_a_loss(make: MakeRig) -> None:
    rig = make(lambda _: 503)
    rig.track("a", "b")
    assert not rig.client.shutdown()
    assert rig.client.stats().dropped == {"undeliverable": 2}
    assert rig.clock.monotonic() <= 5.0
    assert not rig.client.shutdown()


def test_shutdown_makes_a_last_attempt_in_a_pause(make: MakeRig) -> None:
    rig = make(script(401, 202))
    rig.track("a")
    rig.client.flush()
    assert rig.client.shutdown()
    assert rig.server.stored == ["a"]


def test_shutdown_survives_a_transport_that_cannot_be_closed(make: MakeRig) -> None:
    rig = make()

    def broken() -> None:
        raise OSError("cannot be closed")

    rig.server.close = broken  # type: ignore[method-assign]
    rig.track("a")
    assert rig.client.shutdown()
    assert any("cannot be closed" in str(error) or "OSError" in str(error) for error in rig.errors)


def test_a_shutdown_within_a_shutdown_is_bounded(make: MakeRig) -> None:
    """As a SIGTERM handler does that closes the client while it is being closed."""
    rig = make()
    seen: list[bool] = []
    rig.server.close = lambda: seen.append(rig.client.shutdown(0.1))  # type: ignore[method-assign]
    thread = threading.Thread(target=rig.client.shutdown, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "deadlock"
    assert seen == [True]


def test_with_closes() -> None:
    transport = MemoryTransport()
    with SegOpsClient(api_key=KEY, transport=transport) as client:
        client.track(user_id="a", event_type="x")
    assert len(transport.events) == 1
    client.track(user_id="a", event_type="x")
    assert client.stats().dropped == {"closed": 1}


def test_with_closes_after_an_exception() -> None:
    transport = MemoryTransport()

    def fail() -> None:
        with SegOpsClient(api_key=KEY, transport=transport) as client:
            client.track(user_id="a", event_type="x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(transport.events) == 1


def test_async_verbs_do_not_block_the_loop() -> None:
    transport = MemoryTransport()

    async def run() -> list[bool]:
        async with SegOpsClient(api_key=KEY, transport=transport) as client:
            client.track(user_id="a", event_type="x")
            flushed = await client.aflush()
            client.track(user_id="b", event_type="x")
            closed = await client.ashutdown()
        return [flushed, closed]

    assert asyncio.run(run()) == [True, True]
    assert [event["user_id"] for event in transport.events] == ["a", "b"]


def test_the_loop_runs_while_a_flush_waits() -> None:
    let = threading.Event()

    def answer_when_let(call: Call) -> None:
        call.read()
        assert let.wait(20)
        call.peer.send(raw())

    async def run(url: str) -> None:
        client = SegOpsClient(url, KEY, timeout=60.0)
        client.track(user_id="a", event_type="x")
        flushing = asyncio.create_task(client.aflush(60.0))
        for _ in range(5):
            await asyncio.sleep(0.01)
            assert not flushing.done(), "it waits for an answer that only this loop allows"
        let.set()
        assert await flushing is True
        await client.ashutdown(0)

    with FaultServer(answer_when_let) as server:
        asyncio.run(run(server.url))


def test_stats_is_a_struct_that_cannot_be_changed(make: MakeRig) -> None:
    stats = make().client.stats()
    assert isinstance(stats, Stats)
    with pytest.raises(AttributeError):
        stats.accepted = 5  # type: ignore[misc]


class Erratic(Transport):
    """Fails in all ways, at random, and counts what it took."""

    url = "https://api.example.org"

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.took = 0

    def send(self, request: Request, *, timeout: float) -> Response:
        assert timeout > 0
        count = request.body.count(b'"user_id"')
        status = self.random.choice([202, 202, 202, 200, 400, 413, 503, 429, 0])
        if status == 0:
            raise SegOpsTransportError("reset")
        if status == 202:
            skipped = self.random.randint(0, min(2, count))
            self.took += count - skipped
            return Response(202, {}, b'{"skipped": %d}' % skipped)
        self.took += count if status == 200 else 0
        return Response(status, {"retry-after": "0"} if status == 429 else {})


@pytest.mark.parametrize("worker", ["thread", "inline"])
def test_the_ledger_balances_at_every_instant(worker: Any) -> None:
    """Ten threads track good, bad and too many events and flush, while one looks on."""
    from segops.core.retry import RetryPolicy  # noqa: PLC0415 - only here

    transport = Erratic(7)
    client = SegOpsClient(
        api_key=KEY,
        transport=transport,
        worker=worker,
        batch_size=10,
        flush_interval=0.01,
        limits=Limits(max_events=300, batch_events=50),
        retry=RetryPolicy(base=0.0, cap=0.0, floor=1e9),
    )
    per_thread, threads_count = 1500, 10
    stop = threading.Event()
    samples: list[Stats] = []

    def look_on() -> None:
        while not stop.is_set():
            samples.append(client.stats())

    def hammer(number: int) -> None:
        for turn in range(per_thread):
            client.track(user_id="" if turn % 50 == 0 else f"u{number}", event_type="x", payload={"n": turn})
            if turn % 400 == 0:
                client.flush(0.05)

    watcher = threading.Thread(target=look_on)
    watcher.start()
    hammers = [threading.Thread(target=hammer, args=(number,)) for number in range(threads_count)]
    for thread in hammers:
        thread.start()
    for thread in hammers:
        thread.join(200)
    client.shutdown(60)
    stop.set()
    watcher.join(20)
    last = client.stats()
    assert len(samples) > 20
    assert all(each.accepted == each.delivered + sum(each.dropped.values()) + each.pending for each in samples)
    assert all(later.accepted >= earlier.accepted for earlier, later in pairwise(samples))
    assert all(later.delivered >= earlier.delivered for earlier, later in pairwise(samples))
    assert all(min(each.pending, each.pending_bytes) >= 0 for each in samples)
    assert last.accepted == per_thread * threads_count
    assert (last.pending, last.pending_bytes) == (0, 0)
    assert last.delivered == transport.took
    assert last.dropped["invalid"] == per_thread * threads_count // 50


@pytest.mark.parametrize("worker", ["thread", "inline"])
def test_50_threads_track_flush_and_close_at_once(worker: Any) -> None:
    """Row 49."""
    transport = MemoryTransport()
    client = SegOpsClient(api_key=KEY, transport=transport, worker=worker, batch_size=7)
    start = threading.Barrier(50)

    def run(number: int) -> None:
        start.wait(60)
        for turn in range(40):
            client.track(user_id=f"u{number}", event_type="x", payload={"n": turn})
            if turn == number:
                client.flush(1.0)
            if turn == 20 and number % 10 == 0:
                client.shutdown(5.0)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    client.shutdown(10)
    stats = client.stats()
    assert (stats.accepted, stats.pending) == (2000, 0)
    assert stats.delivered == len(transport.events)
    assert stats.delivered + sum(stats.dropped.values()) == 2000
    assert set(stats.dropped) <= {"closed", "undeliverable"}


def test_what_was_accepted_before_the_close_is_delivered(make: MakeRig) -> None:
    rig = make()
    rig.track(*names(1200))
    assert rig.client.shutdown()
    assert rig.server.stored == names(1200)
