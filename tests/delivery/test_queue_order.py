"""Both kinds of queue cut the same bodies and count the same, whatever comes in and goes out in whatever order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segops.core.encoding import join, joined_size, split
from segops.delivery.queue import PureEventQueue
from tests.delivery.queues import FIELDS, KINDS, PLENTY, both_kinds, each_kind, make, offer

LARGEST = 3000
sizes = st.integers(2, 40) | st.sampled_from([900, 1000, 1009, 1010, 1011, 1012, 1013, 2000, LARGEST])
steps = st.lists(st.just("take") | st.just("release") | sizes, max_size=60)
bounds = st.fixed_dictionaries(
    {
        "batch_events": st.integers(1, 6),
        "batch_bytes": st.integers(0, 60) | st.integers(1000, 2100) | st.just(PLENTY),
        "max_bytes": st.integers(0, 200) | st.just(PLENTY),
        "room": st.integers(-1, 8) | st.just(PLENTY),
        "wake_at": st.integers(0, 5) | st.just(PLENTY),
        "overhead": st.sampled_from([0, 350]),
    }
)


class Driver:
    """Has a queue do steps, and notes all that can be seen of it."""

    def __init__(self, kind: type[PureEventQueue], attributes: dict[str, Any]) -> None:
        self.seen: list[object] = []
        self.came: list[bytes] = []
        self.went: list[bytes] = []
        self._taken: list[tuple[int, int]] = []
        self._queue = make(kind, wake=lambda: self.seen.append("wake"), **attributes)

    def do(self, step: str | int) -> None:
        if isinstance(step, int):
            event = b'"%*d"' % (step - 2, len(self.came))
            is_in = self._queue.enqueue(event)
            self.came += [event] * is_in
            self.seen.append(is_in)
        elif step == "take":
            self._take()
        elif self._taken:
            count, size = self._taken.pop(0)
            self._queue.room += count
            self._queue.pending_bytes -= size + count * self._queue.overhead
        self.seen.append((self._queue.waiting, self._queue.room, self._queue.pending_bytes))

    def _take(self) -> None:
        taken = self._queue.drain()
        self.seen.append(taken)
        if taken is not None:
            body, count, owner = taken
            events = [body] if self._queue.is_single else split(body)
            assert owner is None
            assert count == len(events)
            self.went += events
            self._taken.append((count, sum(map(len, events))))

    def check(self) -> None:
        """Take what is left: what came in went out, once and in order."""
        while self._queue.waiting:
            self._take()
        assert self.went == self.came
        assert self._queue.drain() is None


@settings(max_examples=800)
@given(attributes=bounds, steps=steps)
@example(attributes={"batch_events": 500, "batch_bytes": 1024 * 1024}, steps=[LARGEST] * 700 + ["take", "take"])
@example(attributes={"batch_events": 2, "batch_bytes": 0}, steps=[5, 5, "take", 5, 5, 5, "take", "take"])
def test_steps(attributes: dict[str, Any], steps: list[str | int]) -> None:
    for is_single in (False, True):
        drivers = [
            Driver(kind, attributes | ({"batch_events": 1} if is_single else {}) | {"is_single": is_single})
            for kind in KINDS.values()
        ]
        for driver in drivers:
            for step in steps:
                driver.do(step)
            driver.check()
        assert all(driver.seen == drivers[0].seen for driver in drivers)


@each_kind
def test_the_body_of_a_request_is_used_to_the_last_byte(kind: Any) -> None:
    events = [b'"%04d"' % number for number in range(5)]
    for spare, expected in ((-1, 2), (0, 3), (1, 3)):
        queue = make(kind, is_single=False, batch_events=500, batch_bytes=len(join(events[:3])) + spare)
        assert all(queue.enqueue(event) for event in events)
        taken = queue.drain()
        assert taken == (join(events[:expected]), expected, None)
        assert joined_size(taken[0], expected) == expected * len(events[0])


@each_kind
def test_accepted_events_and_those_that_were_put_travel_together(kind: Any) -> None:
    queue = make(kind, is_single=False, batch_events=3)
    encoded = offer(kind, FIELDS).event
    assert encoded is not None
    for turn in range(4):
        assert queue.enqueue(encoded) if turn % 2 else queue.try_enqueue(*FIELDS)
    body, count, _ = queue.drain() or (b"", 0, None)
    assert count == 3
    assert [event["user_id"] for event in msgspec.json.decode(body)["events"]] == [FIELDS[0]] * 3
    assert (queue.drain() or (b"", 0, None))[1] == 1


@both_kinds
def test_the_compiled_one_takes_bytes_only() -> None:
    queue: Any = make(KINDS["compiled"])
    for garbage in (None, "text", bytearray(b"x"), 5):
        with pytest.raises(TypeError, match="bytes"):
            queue.enqueue(garbage)
    assert queue.drain() is None
