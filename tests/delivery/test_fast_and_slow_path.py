"""Where the fast and the slow path of an event meet: it is counted once, and an error is raised or reported once."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from segops import Event, Limits, SegOpsEventError
from tests.rig.harness import MakeRig, Rig, events
from tests.rig.plugins import Enriching
from tests.rig.tracking import FIELDS

LARGE = {"text": "x" * 2000}
KEPT: dict[str, Any] = {"user_id": "u-1", "event_type": "kept"}


def doubling() -> Enriching:
    """Return a plugin that has another event follow those of the test, and leaves all others alone."""
    return Enriching(lambda event: [event, Event("u-1", "second")], event_types=[FIELDS["event_type"]])


@pytest.fixture(params=[True, False], ids=["enriched", "not enriched"])
def rig(request: pytest.FixtureRequest, make: MakeRig) -> Rig:
    """Make a client that raises, with an enricher that wants the events of the test or with none."""
    plugins = [doubling()] if request.param else []
    return make(strict=True, plugins=plugins, limits=Limits(max_event_bytes=1000))


def test_an_event_that_is_too_large_is_dropped_once_and_raised_once(rig: Rig) -> None:
    with pytest.raises(SegOpsEventError, match="more than 1000") as raised:
        rig.client.track(**FIELDS, payload=LARGE)
    assert raised.value.reason == "too_large"
    assert rig.client.stats().dropped == {"too_large": 1}
    assert rig.errors == []
    assert rig.balanced()


def test_an_event_that_cannot_be_read_is_dropped_once_and_raised_once(rig: Rig) -> None:
    bad: list[Any] = [{"a": object()}, {"a": [2**60_000]}, 5]
    for payload in bad:
        before = rig.client.stats().accepted
        with pytest.raises(SegOpsEventError):
            rig.client.track(**FIELDS, payload=payload)
        assert rig.client.stats().accepted == before + 1
    assert rig.client.stats().dropped == {"invalid": 3}


def test_one_that_is_refused_does_not_take_those_that_were_added_with_it(make: MakeRig) -> None:
    for strict in (True, False):
        rig = make(strict=strict, plugins=[doubling()], limits=Limits(max_event_bytes=1000))
        with pytest.raises(SegOpsEventError) if strict else contextlib.nullcontext():
            rig.client.track(**FIELDS, payload=LARGE)
        rig.client.flush()
        assert rig.client.stats().dropped == {"too_large": 1}
        assert [event["event_type"] for event in events(rig.server.requests[0])] == ["second"]
        assert len(rig.errors) == (not strict)


@pytest.mark.parametrize("payload", [{"a": 1}, {"a": float("nan")}], ids=["at once", "the long way"])
@pytest.mark.parametrize("options", [{"strict": True}, {}], ids=["strict", "lenient"])
def test_a_wake_that_fails_does_not_make_the_event_a_dropped_one(
    make: MakeRig,
    options: dict[str, Any],
    payload: dict[str, Any],
) -> None:
    def fail() -> None:
        raise LookupError

    rig = make(**options)
    queue = rig.client._pipeline.queue
    queue.wake, queue.wake_at = fail, 1
    for _ in range(3):
        rig.client.track(**KEPT, payload=payload)
    stats = rig.client.stats()
    assert (stats.accepted, stats.pending, stats.dropped) == (3, 3, {})
    assert rig.errors == []
    assert rig.client.flush()
    assert rig.balanced()


def test_an_interrupt_in_the_middle_of_a_wake_does_not_silence_the_next(make: MakeRig) -> None:
    rig = make(worker="thread", batch_size=1)
    worker, queue = rig.client._pipeline.worker, rig.client._pipeline.queue
    start = worker._start  # type: ignore[attr-defined]

    def interrupted() -> bool:
        worker._start = start  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    worker._start = interrupted  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        rig.client.track(**KEPT)
    assert queue.waiting == queue.wake_at == 1
    rig.client.track(**KEPT)
    assert worker._thread is not None  # type: ignore[attr-defined]
    assert rig.client.flush(30)
    assert (rig.client.stats().accepted, rig.client.stats().delivered) == (2, 2)


def test_bounds_may_be_floats(make: MakeRig) -> None:
    bounds: dict[str, Any] = {"max_events": 2.0, "max_bytes": 1e5, "max_event_bytes": 1e4}
    rig = make(limits=Limits(**bounds))
    rig.track("a", "b", "c")
    assert rig.client.stats().dropped == {"queue_full": 1}
    assert rig.client.flush() is False
    assert rig.server.stored == ["a", "b"]
