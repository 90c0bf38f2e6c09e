"""Whatever is left of the stack: nothing raises into the application, and each event is counted once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from segops import SegOpsClient, SegOpsEventError
from segops.transports.memory import MemoryTransport

DEPTHS = (*range(1, 60), 70, 90, 100, 105, 110, 115, 130)


@pytest.fixture(autouse=True)
def _untraced() -> Iterator[None]:
    """Trace nothing: coverage's tracer calls functions of its own, which raise inside of ours for want of stack."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


def with_frames_left(frames: int, function: Callable[[], Any]) -> None:
    """Call a function so deep that it has that many frames of Python, itself included."""

    def descend(more: int) -> None:
        if more:
            descend(more - 1)
        else:
            function()

    depth = 0
    frame: Any = sys._getframe()
    while frame:
        depth, frame = depth + 1, frame.f_back
    descend(sys.getrecursionlimit() - depth - frames - 1)


CALLS: dict[str, Callable[[SegOpsClient], Any]] = {
    "plain": lambda client: client.track(user_id="u-1", event_type="a_b", payload={"a": 1}),
    "not plain": lambda client: client.track(user_id="u-1", event_type="a_b", payload={"a": (1, {"b": {2}})}),
    "bad": lambda client: client.track(user_id="", event_type="a_b"),
    "mapping": lambda client: client.track({"user_id": "u-1", "event_type": "a_b", "timestamp": 1}),
    "identify": lambda client: client.identify(user_id="u-1", traits={"a": 1}),
    "context": lambda client: client.identify({"user_id": "u-1", "traits": {"a": (1,)}}),
    "page view": lambda client: client.track_page_view("u-1", "/a"),
}


def enters(error: RecursionError) -> bool:
    """Tell whether an error comes from inside the package, not from the call into it."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is None or trace.tb_frame.f_code.co_filename != __file__


@pytest.mark.parametrize("worker", ["inline", "thread"])
@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_raised_and_each_event_is_counted_once(name: str, worker: Any) -> None:
    for frames in DEPTHS:
        made = raised = 0
        transport = MemoryTransport()
        with SegOpsClient(transport=transport, worker=worker, batch_size=2) as client:
            for _ in range(3):
                try:
                    with_frames_left(frames, lambda client=client: CALLS[name](client))  # type: ignore[misc]
                except RecursionError as error:
                    raised += enters(error)
                else:
                    made += 1
            client.flush(2)
        stats = client.stats()
        assert (stats.accepted, stats.pending, stats.delivered) == (made, 0, len(transport.events)), frames
        assert raised == 0, frames


@pytest.mark.parametrize("name", CALLS)
def test_a_strict_client_counts_what_it_raises_once(name: str) -> None:
    for frames in DEPTHS:
        made = 0
        with SegOpsClient("memory:", worker="inline", strict=True) as client:
            try:
                with_frames_left(frames, lambda client=client: CALLS[name](client))  # type: ignore[misc]
            except SegOpsEventError:
                made += 1
            except RecursionError as error:
                made += enters(error)
            else:
                made += 1
        assert client.stats().accepted == made, frames


def test_a_flush_without_room_for_a_request_leaves_the_events_for_the_next_one() -> None:
    for frames in DEPTHS:
        with SegOpsClient("memory:", worker="inline") as client:
            client.track(user_id="u-1", event_type="a_b")
            try:
                with_frames_left(frames, client.flush)
            except RecursionError:
                assert client.stats().pending == 1
            assert client.flush(2)
            assert client.stats().delivered == 1, frames
