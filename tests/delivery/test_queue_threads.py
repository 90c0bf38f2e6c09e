"""A queue among threads, signal handlers, destructors and the collector: no event and no byte is miscounted."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Iterator

import msgspec
import pytest

from segops import Limits
from segops.core.encoding import joined_size
from segops.delivery.queue import NEVER, make_queue
from tests.delivery.queues import FIELDS
from tests.rig.harness import MakeRig
from tests.rig.tracking import FIELDS as TRACKED

THREADS = 8
EACH = 20_000
MIXED = [
    FIELDS,
    ("u-\u00e9", "order_placed", None, "a-1"),
    (1, "refused", {}, None),
    ("u-2", "x", {"a": [1, 2.5]}, None),
]


@pytest.fixture
def _hasty() -> Iterator[None]:
    """Have threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_hasty")
def test_threads_that_come_in_while_another_takes() -> None:
    room = 2000
    queue = make_queue(Limits(max_events=room))
    accepted = [0] * THREADS

    def come_in(number: int) -> None:
        for turn in range(EACH):
            accepted[number] += queue.try_enqueue(*MIXED[turn % len(MIXED)])  # type: ignore[arg-type]

    threads = [threading.Thread(target=come_in, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads) or queue.waiting:
        batch = queue.drain()
        if batch is not None:
            body, count, _ = batch
            assert len(msgspec.json.decode(body)["events"]) == count
            taken += count
            queue.release(count, joined_size(body, count))
    assert (taken, queue.pending_bytes, queue.room) == (sum(accepted), 0, room)
    assert 0 < taken <= THREADS * EACH * 3 // 4


def test_a_signal_handler_a_destructor_and_the_collector_come_in_between(make: MakeRig) -> None:
    rig = make(worker="thread", flush_interval=3600, limits=Limits(max_events=NEVER, max_bytes=NEVER))
    track = rig.client.track
    calls = {"main": 0, "signal": 0, "destructor": 0, "collector": 0}

    def come_in(who: str) -> None:
        calls[who] += 1
        track(user_id=who, event_type="order_placed", payload={"a": [1]})

    class Dying:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            come_in("destructor")

    def collected(phase: str, _info: dict[str, int]) -> None:
        if phase == "stop":
            come_in("collector")

    before = signal.signal(signal.SIGVTALRM, lambda *_: come_in("signal"))
    gc.callbacks.append(collected)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0005, 0.0005)
    try:
        while calls["main"] < EACH or min(calls.values()) < 20:
            come_in("main")
            if calls["main"] % 500 == 0:
                Dying()
                gc.collect(0)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        gc.callbacks.remove(collected)
        signal.signal(signal.SIGVTALRM, before)
    gc.collect()
    assert rig.client.flush(30)
    arrived = {who: rig.server.stored.count(who) for who in calls}
    assert arrived == calls
    assert rig.client.stats().accepted == sum(calls.values())
    assert rig.balanced()
    assert rig.client.stats().pending_bytes == 0


def test_at_the_end_of_the_stack_an_event_is_counted_at_most_once(make: MakeRig) -> None:
    rig = make(worker="thread", flush_interval=3600)
    returned = raised = 0

    def descend(levels: int) -> None:
        nonlocal returned, raised
        if levels:
            descend(levels - 1)
        try:
            rig.client.track(**TRACKED)
            returned += 1
        except RecursionError:
            raised += 1

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(_depth() + 200)
    try:
        for levels in range(100, 200):
            try:
                descend(levels)
            except RecursionError:
                break
    finally:
        sys.setrecursionlimit(limit)
    assert returned
    assert raised
    assert returned <= rig.client.stats().accepted <= returned + raised
    assert rig.client.flush(30) is (not rig.client.stats().dropped)
    assert rig.balanced()


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth
