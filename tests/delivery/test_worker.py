"""The worker: when it wakes, what it survives, when it stops."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from segops import SegOpsClient, SegOpsEventError
from segops.core import Request, Response, Transport
from segops.core.encoding import joined_size
from segops.core.options import Limits
from segops.delivery.queue import OwnedEvent, PureEventQueue, make_queue
from segops.transports.memory import MemoryTransport
from tests.rig.fault_server import FaultServer, stall
from tests.rig.waiting import PATIENCE, wait_until

KEY = "sk_test_worker"
"""Seconds after which something that should happen soon is taken not to happen."""


@pytest.fixture
def clients() -> Iterator[list[SegOpsClient]]:
    """Close the clients that a test made."""
    made: list[SegOpsClient] = []
    yield made
    for client in made:
        client.shutdown(0)


class Slow(Transport):
    """Takes its time for each request."""

    url = "https://api.example.org"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.requests = 0

    def send(self, request: Request, *, timeout: float) -> Response:
        assert request.body
        self.requests += 1
        time.sleep(min(self.seconds, timeout))
        return Response(202)


class Stuck(Transport):
    """Answers once it is let."""

    url = "https://api.example.org"

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let = threading.Event()

    def send(self, request: Request, *, timeout: float) -> Response:
        assert request.body
        assert timeout > 0
        self.entered.set()
        assert self.let.wait(PATIENCE)
        return Response(202)


def test_there_is_no_thread_before_the_first_event(clients: list[SegOpsClient]) -> None:
    before = set(threading.enumerate())  # a count would go down when the thread of another test ends just now
    transport = MemoryTransport()
    clients.append(SegOpsClient(api_key=KEY, transport=transport, flush_interval=0.01))
    assert set(threading.enumerate()) <= before
    clients[0].track(user_id="a", event_type="x")
    assert [thread.name for thread in set(threading.enumerate()) - before] == ["segops"]
    assert transport.wait_for(1, PATIENCE)


def test_a_batch_size_is_sent_without_a_flush(clients: list[SegOpsClient]) -> None:
    transport = MemoryTransport()
    clients.append(SegOpsClient(api_key=KEY, transport=transport, batch_size=5, flush_interval=3600))
    for number in range(4):
        clients[0].track(user_id=str(number), event_type="x")
    time.sleep(0.1)
    assert transport.events == [], "four are too few"
    clients[0].track(user_id="4", event_type="x")
    assert transport.wait_for(5, PATIENCE)


def test_an_interval_is_sent_without_a_flush(clients: list[SegOpsClient]) -> None:
    transport = MemoryTransport()
    clients.append(SegOpsClient(api_key=KEY, transport=transport, batch_size=10**6, flush_interval=0.05))
    for number in range(3):
        clients[0].track(user_id=str(number), event_type="x")
        assert transport.wait_for(number + 1, PATIENCE)


@pytest.mark.parametrize("options", [{"flush_interval": 0}, {"flush_interval": 5}, {"batch": False}])
def test_a_worker_with_nothing_to_do_does_nothing(clients: list[SegOpsClient], options: dict[str, Any]) -> None:
    transport = MemoryTransport()
    clients.append(SegOpsClient(api_key=KEY, transport=transport, batch_size=1, **options))
    clients[0].track(user_id="a", event_type="x")
    assert transport.wait_for(1, PATIENCE)
    cpu, wall = time.process_time(), time.monotonic()
    time.sleep(0.4)
    assert time.process_time() - cpu < 0.5 * (time.monotonic() - wall), "it spins"
    clients[0].track(user_id="b", event_type="x")
    assert transport.wait_for(2, PATIENCE), "and yet it wakes"


@pytest.mark.parametrize("fatal", [SystemExit(3), KeyboardInterrupt(), ZeroDivisionError(), MemoryError()])
def test_whatever_on_error_raises_delivery_goes_on(clients: list[SegOpsClient], fatal: BaseException) -> None:
    """Row 35."""
    before = threading.enumerate()
    errors_seen: list[Exception] = []

    def on_error(error: Exception) -> None:
        errors_seen.append(error)
        raise fatal

    transport = MemoryTransport()
    clients.append(SegOpsClient(api_key=KEY, transport=transport, batch_size=1, on_error=on_error))
    clients[0].track(user_id="", event_type="x")
    assert wait_until(lambda: errors_seen)
    clients[0].track(user_id="a", event_type="x")
    assert transport.wait_for(1, PATIENCE)
    clients[0].shutdown(0)
    for thread in set(threading.enumerate()) - set(before):
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it would go on telling of itself for ever"


def test_errors_are_dispatched_off_the_callers_thread(clients: list[SegOpsClient]) -> None:
    errors_seen: list[tuple[Exception, threading.Thread]] = []
    client = SegOpsClient(
        api_key=KEY,
        transport=MemoryTransport(),
        on_error=lambda error: errors_seen.append((error, threading.current_thread())),
    )
    clients.append(client)
    client.track(user_id="", event_type="x")
    assert wait_until(lambda: errors_seen)
    (error, thread), *_ = errors_seen
    assert isinstance(error, SegOpsEventError)
    assert thread is not threading.current_thread()


@pytest.mark.parametrize("worker", ["thread", "inline"])
@pytest.mark.parametrize("user_id", ["good", ""], ids=["good", "bad"])
def test_on_error_that_tracks_does_not_go_round_in_circles(
    clients: list[SegOpsClient], worker: Any, user_id: str
) -> None:
    """Row 46."""
    calls: list[Exception] = []

    def on_error(error: Exception) -> None:
        calls.append(error)
        client.track(user_id=user_id, event_type="x", payload={"n": len(calls)})

    transport = MemoryTransport()
    client = SegOpsClient(api_key=KEY, transport=transport, batch_size=1, on_error=on_error, worker=worker)
    clients.append(client)
    client.track(user_id="", event_type="x")
    assert wait_until(lambda: client.stats().accepted >= 2)
    client.track(user_id="a", event_type="x")
    assert transport.wait_for(1, PATIENCE)
    client.flush()
    assert len(calls) == 1
    assert client.stats().accepted == 3
    assert sum(client.stats().dropped.values()) == 2, "what a report tracks is counted"


@pytest.mark.parametrize("user_id", ["good", ""], ids=["good", "bad"])
def test_a_log_handler_that_tracks_does_not_go_round_in_circles(clients: list[SegOpsClient], user_id: str) -> None:
    """Row 46."""

    class Tracking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            client.track(user_id=user_id, event_type="log_written", payload={"line": record.getMessage()})

    transport = MemoryTransport()
    client = SegOpsClient(api_key=KEY, transport=transport, batch_size=1)
    clients.append(client)
    handler = Tracking()
    logging.getLogger().addHandler(handler)
    try:
        client.track(user_id="", event_type="x")
        assert wait_until(lambda: client.stats().accepted >= 2)
        client.track(user_id="a", event_type="x")
        assert transport.wait_for(1, PATIENCE)
        client.flush()
    finally:
        logging.getLogger().removeHandler(handler)
    assert client.stats().accepted == 3


def test_on_error_may_flush_and_shut_down(clients: list[SegOpsClient]) -> None:
    done: list[bool] = []

    def on_error(_: Exception) -> None:
        done.append(client.flush(PATIENCE))
        client.shutdown(PATIENCE)
        done.append(True)

    client = SegOpsClient(api_key=KEY, transport=MemoryTransport(), on_error=on_error)
    clients.append(client)
    client.track(user_id="", event_type="x")
    assert wait_until(lambda: len(done) == 2)
    assert done == [False, True]


def test_nothing_is_sent_after_the_deadline_of_shutdown() -> None:
    transport = Slow(0.15)
    client = SegOpsClient(api_key=KEY, transport=transport, batch_size=10**6, limits=Limits(batch_events=1))
    for number in range(50):
        client.track(user_id=str(number), event_type="x")
    assert not client.shutdown(0.4)
    requests = transport.requests
    assert requests < 10
    assert wait_until(lambda: client.stats().pending == 0), "the request on its way settles itself"
    time.sleep(0.3)
    assert transport.requests <= requests + 1, "it goes on in the background"
    stats = client.stats()
    assert (stats.pending, stats.delivered + stats.dropped["undeliverable"]) == (0, 50)


def test_a_request_that_hangs_settles_itself_after_shutdown() -> None:
    transport = Stuck()
    client = SegOpsClient(api_key=KEY, transport=transport, batch_size=1)
    client.track(user_id="a", event_type="x")
    assert transport.entered.wait(PATIENCE)
    client.track(user_id="b", event_type="x")
    assert not client.shutdown(0.05)
    assert (client.stats().pending, client.stats().dropped) == (1, {"undeliverable": 1})
    transport.let.set()
    assert wait_until(lambda: client.stats().pending == 0)
    assert (client.stats().delivered, client.stats().dropped) == (1, {"undeliverable": 1})


def test_an_inline_flush_does_not_wait_for_another_thread_beyond_its_timeout(clients: list[SegOpsClient]) -> None:
    transport = Stuck()
    client = SegOpsClient(api_key=KEY, transport=transport, worker="inline")
    clients.append(client)
    client.track(user_id="a", event_type="x")
    other = threading.Thread(target=client.flush, args=(PATIENCE,))
    other.start()
    assert transport.entered.wait(PATIENCE)
    started = time.monotonic()
    assert not client.flush(0.1)
    assert time.monotonic() - started < PATIENCE / 4
    transport.let.set()
    other.join(PATIENCE)
    assert client.flush()


def test_dropped_events_do_not_stay_in_memory_in_the_errors_about_them(clients: list[SegOpsClient]) -> None:
    """An exception's traceback holds the frames, and these the event: a bound of memory would be none."""

    class Payload(dict[str, Any]):
        pass

    transport = Stuck()
    client = SegOpsClient(api_key=KEY, transport=transport, batch_size=1, limits=Limits(max_events=1))
    clients.append(client)
    client.track(user_id="a", event_type="x")
    assert transport.entered.wait(PATIENCE)
    references: list[weakref.ref[Payload]] = []
    for payload in (Payload(n=1), Payload(n=object()), Payload(n={1: Payload()}), Payload(n="x" * 40_000)):
        for user_id in ("a", ""):
            client.track(user_id=user_id, event_type="x", payload=payload)
        references.append(weakref.ref(payload))
    del payload
    gc.collect()
    alive = [reference() for reference in references if reference() is not None]
    transport.let.set()
    assert alive == []


def test_the_queue_is_bounded_and_drops_the_newest(clients: list[SegOpsClient]) -> None:
    transport = Stuck()
    client = SegOpsClient(
        api_key=KEY, transport=transport, batch_size=1, limits=Limits(max_events=10, max_bytes=100_000)
    )
    clients.append(client)
    client.track(user_id="first", event_type="x")
    assert transport.entered.wait(PATIENCE)
    for number in range(99):
        client.track(user_id=str(number), event_type="x")
    assert client.stats().pending == 10, "the one on its way takes room, too"
    assert client.stats().accepted == 100
    transport.let.set()
    client.flush()
    assert client.stats().dropped == {"queue_full": 100 - client.stats().delivered}
    client.track(user_id="again", event_type="x")
    assert client.flush(), "there is room again"


def test_the_queue_is_bounded_by_bytes(clients: list[SegOpsClient]) -> None:
    transport = MemoryTransport(Response(503, {"retry-after": "1"}))
    client = SegOpsClient(
        api_key=KEY, transport=transport, worker="inline", batch_size=10**6, limits=Limits(max_bytes=10_000)
    )
    clients.append(client)
    for _ in range(100):
        client.track(user_id="a", event_type="x", payload={"p": "y" * 900})
    stats = client.stats()
    assert 9_000 < stats.pending_bytes <= 10_000
    assert stats.pending + stats.dropped["queue_full"] == 100
    assert not client.flush()
    assert client.stats().pending_bytes == 0


@pytest.mark.parametrize("worker", ["thread", "inline"])
def test_a_full_queue_is_sent_however_few_its_events_are(clients: list[SegOpsClient], worker: Any) -> None:
    transport = MemoryTransport()
    client = SegOpsClient(
        api_key=KEY, transport=transport, worker=worker, flush_interval=3600, limits=Limits(max_bytes=10_000)
    )
    clients.append(client)
    for _ in range(11):  # of the 20 that start a flush
        client.track(user_id="a", event_type="x", payload={"p": "y" * 900})
    assert client.stats().dropped == {"queue_full": 1}
    assert transport.wait_for(10, PATIENCE)
    client.track(user_id="a", event_type="x")
    assert client.stats().accepted - client.stats().dropped["queue_full"] == 11, "there is room again"


def test_the_bound_holds_while_a_batch_is_cut() -> None:
    """Threads may switch between any two events that are taken; here another one tracks at each of these moments."""

    class Switching(deque[bytes | OwnedEvent]):
        def popleft(self) -> bytes | OwnedEvent:
            event = super().popleft()
            queue.enqueue(b"late")
            return event

    class SwitchingQueue(PureEventQueue):
        def __init__(self) -> None:
            super().__init__()
            self._queue = Switching()

    whole = make_queue(Limits(max_events=10, batch_events=5))
    queue = SwitchingQueue()
    for name in PureEventQueue.__slots__:
        if not name.startswith("_"):
            setattr(queue, name, getattr(whole, name))
    while queue.enqueue(b"early"):
        pass
    taken = queue.drain()
    assert taken is not None
    assert (taken[1], queue.waiting) == (5, 5)
    queue.release(5, joined_size(taken[0], 5))
    assert queue.enqueue(b"again")


def test_close_wins_over_a_batch_that_is_being_cut() -> None:
    """Closing and draining both set `room`; a closed queue must stay closed."""
    limits = Limits(batch_events=1, max_events=2000)  # few, so that it is soon over: each is dropped by itself
    client = SegOpsClient(api_key=KEY, transport=Slow(0.0), batch_size=1, limits=limits)
    stop = threading.Event()

    def hammer() -> None:
        while not stop.is_set():
            client.track(user_id="a", event_type="x")

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    client.shutdown(0.1)
    time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    before = client.stats().dropped.get("closed", 0)
    client.track(user_id="a", event_type="x")
    assert client.stats().dropped["closed"] == before + 1
    assert wait_until(lambda: client.stats().pending == 0)


def test_a_black_hole_holds_up_nobody_who_tracks(clients: list[SegOpsClient]) -> None:
    """Row 3, over a real socket."""
    with FaultServer(*[stall()] * 100) as server:
        client = SegOpsClient(server.url, KEY, batch_size=1, timeout=0.3, limits=Limits(exit=0.0))
        clients.append(client)
        client.track(user_id="a", event_type="x")
        assert wait_until(lambda: server.connections)
        started = time.perf_counter()
        for _ in range(500):
            client.track(user_id="a", event_type="x")
        assert time.perf_counter() - started < 0.3 * 500 / 4, "no call waits for a request"
        assert not client.flush(0.2)
        assert wait_until(lambda: client.stats().retries > 0)
        assert client.stats().pending == 501
        client.shutdown(0.1)


NO_THREAD_FOR_A_WHILE = """
import resource, threading
from segops import SegOpsClient

errors = []
client = SegOpsClient("memory:", batch_size=3, on_error=errors.append)
resource.setrlimit(resource.RLIMIT_AS, (2**31, resource.RLIM_INFINITY))
threading.stack_size(2**32 - 2**16)  # more than there is: the system itself refuses the thread

for number in range(7):
    client.track(user_id="u-1", event_type="order_placed", payload={"n": number})
assert client.stats().delivered == 6, client.stats()
assert threading.active_count() == 1
assert ["could not start a thread" in str(error) for error in errors] == [True], errors

threading.stack_size(0)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert client.flush(50)
assert threading.active_count() == 2
assert [event["payload"]["n"] for event in client.transport.events] == list(range(7))
assert client.shutdown()
"""


def test_the_caller_delivers_while_no_thread_can_be_started_and_a_thread_once_it_can() -> None:
    """Rows 31 and 35."""
    done = subprocess.run(
        [sys.executable, "-c", NO_THREAD_FOR_A_WHILE], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
