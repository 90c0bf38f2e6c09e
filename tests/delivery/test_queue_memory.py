"""What a queue keeps alive: the bytes of its events, and what it was made of for as long as it lives."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests.delivery.queues import FIELDS, each_kind, make, take

ROUNDS = 100_000
FEW = 50
"""Blocks of memory that the interpreter may take for itself meanwhile."""

TAKEN = ("user-1", "order_placed", {"total": 9.5, "items": ["a", {"b": None}]}, "anonymous-1")
REFUSED: dict[str, tuple[Any, ...]] = {
    "text": ("user-\u00e9", *TAKEN[1:]),
    "number": (*TAKEN[:2], {"a": [2**64]}, TAKEN[3]),
    "kind": (*TAKEN[:2], {"a": [object()]}, TAKEN[3]),
    "surrogate": (*TAKEN[:2], {"a": "\ud800"}, TAKEN[3]),
    "event_types": (TAKEN[0], "page_viewed", *TAKEN[2:]),
}


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Switch the collector off: it hides what would be left behind, and takes memory itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def grown(queue: Any, fields: tuple[Any, ...]) -> int:
    """Return how many blocks of memory more are in use after many rounds."""

    def rounds(count: int) -> None:
        for _ in range(count):
            queue.try_enqueue(*fields)
            if queue.waiting == 1000:
                take(queue)
        take(queue)

    rounds(2000)
    before = sys.getallocatedblocks()
    rounds(ROUNDS)
    return sys.getallocatedblocks() - before


@each_kind
@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("fields", [TAKEN, *REFUSED.values()], ids=["taken", *REFUSED])
def test_nothing_is_left_behind(kind: Any, fields: tuple[Any, ...]) -> None:
    queue = make(kind, event_types=frozenset({"page_viewed"}), wake_at=1)
    references = [sys.getrefcount(field) for field in fields]
    assert grown(queue, fields) < FEW
    assert [sys.getrefcount(field) for field in fields] == references


@each_kind
@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("bound", ["max_event_bytes", "max_bytes", "room"])
def test_nothing_is_left_behind_when_there_is_no_room(kind: Any, bound: str) -> None:
    assert grown(make(kind, **{bound: 0}), TAKEN) < FEW


@each_kind
@pytest.mark.usefixtures("_quiet")
def test_nothing_is_left_behind_by_a_wake_that_fails(kind: Any) -> None:
    def fail() -> None:
        raise LookupError

    assert grown(make(kind, wake=fail, wake_at=0), TAKEN) < FEW


@each_kind
def test_one_that_is_dropped_is_collected_with_all_that_it_held(kind: Any) -> None:
    class Worker:
        def __init__(self) -> None:
            self.queue = make(kind)
            self.queue.wake = self.wake  # as the pipeline ties the two

        def wake(self) -> None: ...

    gc.collect()
    worker = weakref.ref(Worker())
    gc.collect()
    assert worker() is None


@each_kind
def test_one_of_a_derived_class_is_collected(kind: Any) -> None:
    class Watched(kind):  # type: ignore[misc]
        __slots__ = ("__weakref__", "itself")

    queue = make(Watched, is_single=False, batch_events=3)
    queue.itself = queue  # type: ignore[attr-defined]
    assert all(queue.try_enqueue(*FIELDS) for _ in range(10))
    watched = weakref.ref(queue)
    kinds = sys.getrefcount(Watched)
    del queue
    gc.collect()
    assert watched() is None
    assert sys.getrefcount(Watched) == kinds - 1


@each_kind
def test_classes_may_be_made_of_it(kind: Any) -> None:
    class Slotted(kind):  # type: ignore[misc]
        __slots__ = ("extra",)

    class Open(kind):  # type: ignore[misc]
        pass

    for derived in (Slotted, Open):
        queue = make(derived, extra=[1]) if derived is Open else make(derived)
        assert queue.try_enqueue(*FIELDS)
    with pytest.raises(AttributeError):
        make(Slotted, other=1)


@each_kind
def test_a_copy_is_refused_or_complete(kind: Any) -> None:
    queue = make(kind)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(queue)
    try:
        twin = copy.copy(queue)
    except TypeError:
        return
    assert twin.try_enqueue(*FIELDS)
    assert (queue.waiting, queue.pending_bytes) == (1, 0), "it shares the queue; each counts its own bytes"
