"""What a queue refuses, whom it wakes, and what it does if it is made of rubbish."""

from __future__ import annotations

import ast
import contextlib
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import segops.delivery
from segops.core.encoding import encode_plain
from segops.delivery.queue import NEVER, PureEventQueue
from tests.delivery.queues import FIELDS, KINDS, PLENTY, each_kind, make, nothing, offer, take

ATTRIBUTES = [name for name in PureEventQueue.__slots__ if not name.startswith("_")]


def size_of_one(kind: type[PureEventQueue]) -> int:
    event = offer(kind, FIELDS).event
    assert event is not None
    return len(event)


@each_kind
def test_the_room_is_used_to_the_last_event(kind: Any) -> None:
    queue = make(kind, room=3)
    assert [queue.try_enqueue(*FIELDS) for _ in range(5)] == [True, True, True, False, False]
    assert len(take(queue)) == 3
    assert queue.try_enqueue(*FIELDS)
    queue.room = -5
    assert not queue.try_enqueue(*FIELDS)
    assert queue.waiting == 1


@each_kind
def test_the_bytes_are_used_to_the_last_one(kind: Any) -> None:
    size = size_of_one(kind)
    for spare, taken in ((-1, 1), (0, 2), (1, 2)):
        queue = make(kind, max_bytes=2 * size + spare)
        assert [queue.try_enqueue(*FIELDS) for _ in range(3)].count(True) == taken
        assert queue.pending_bytes == taken * size
        assert [len(event) for event in take(queue)] == [size] * taken
    assert not make(kind, pending_bytes=PLENTY, max_bytes=PLENTY).try_enqueue(*FIELDS)
    assert not make(kind, pending_bytes=NEVER, max_bytes=NEVER).try_enqueue(*FIELDS)
    assert not make(kind, max_bytes=-1).try_enqueue(*FIELDS)
    assert make(kind, max_bytes=size + 350, overhead=350).try_enqueue(*FIELDS)
    assert not make(kind, max_bytes=size + 349, overhead=350).try_enqueue(*FIELDS)


@each_kind
def test_one_event_may_take_so_many_bytes(kind: Any) -> None:
    size = size_of_one(kind)
    assert offer(kind, FIELDS, max_event_bytes=size - 1).event is None
    assert offer(kind, FIELDS, max_event_bytes=size).event is not None


@each_kind
def test_the_worker_is_woken_at_its_length_and_beyond(kind: Any) -> None:
    lengths: list[int] = []
    queue = make(kind, wake_at=3, room=5)
    queue.wake = lambda: lengths.append(queue.waiting)
    for _ in range(7):
        queue.try_enqueue(*FIELDS)
    assert lengths == [3, 4, 5]
    take(queue)
    queue.wake_at = 0
    assert queue.try_enqueue(*FIELDS)
    assert lengths == [3, 4, 5, 1]


@each_kind
@pytest.mark.parametrize("error", [ValueError, RecursionError, MemoryError, SystemExit, KeyboardInterrupt])
def test_an_event_is_in_whatever_its_wake_raises(kind: Any, error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    queue = make(kind, wake=fail, wake_at=1)
    if issubclass(error, Exception):
        assert queue.try_enqueue(*FIELDS)
    else:
        with pytest.raises(error):
            queue.try_enqueue(*FIELDS)
    assert queue.enqueue(b"{}") if issubclass(error, Exception) else queue.waiting == 1
    bytes_then = queue.pending_bytes
    assert sum(map(len, take(queue))) == bytes_then


@each_kind
@pytest.mark.parametrize(
    "changed", [{"is_direct": False}, {"event_types": None}, {"event_types": frozenset({FIELDS[1], "x"})}]
)
def test_what_is_not_for_it(kind: Any, changed: dict[str, Any]) -> None:
    assert offer(kind, FIELDS, **changed) == (None, None)
    assert offer(kind, FIELDS, event_types=frozenset({"x", "y"})).event is not None


@each_kind
@pytest.mark.parametrize("count", [0, 1, 3, 5, 50])
def test_it_takes_four_arguments(kind: Any, count: int) -> None:
    with pytest.raises(TypeError, match="argument"):
        make(kind).try_enqueue(*[None] * count)
    with pytest.raises(TypeError):
        make(kind).try_enqueue("u", "e", {}, anonymous_id=None)  # type: ignore[call-arg]


class Unequal(str):
    """An event type whose comparison fails, or does what it likes."""

    __slots__ = ()
    __hash__ = str.__hash__
    act: Callable[[], object] = gc.collect

    def __eq__(self, _other: object) -> bool:
        Unequal.act()
        raise LookupError


@each_kind
def test_a_wanted_type_with_methods_of_its_own(kind: Any) -> None:
    queue = make(kind, event_types=frozenset({Unequal(FIELDS[1])}))
    for act in (gc.collect, lambda: queue.__delattr__("event_types")):
        Unequal.act = act
        with pytest.raises(LookupError):
            queue.try_enqueue(*FIELDS)
    assert not queue.waiting


def raises(*_: object) -> Any:
    raise LookupError


class Odd:
    """Has a length that fails."""

    __len__ = raises


GARBAGE: list[Any] = [
    None,
    0,
    -1,
    1.5,
    "x",
    b"",
    [],
    {},
    object(),
    Odd(),
    raises,
    Odd,
    2**64,
    -(2**64),
    frozenset({1}),
    True,
]


@each_kind
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_garbage_in_an_attribute_is_refused_somewhere(kind: Any, name: str) -> None:
    for value in GARBAGE:
        queue = make(kind, wake_at=1)
        try:
            setattr(queue, name, value)
            assert type(queue.try_enqueue(*FIELDS)) is bool
        except (TypeError, LookupError, OverflowError, AttributeError):
            pass


@each_kind
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_that_is_missing(kind: Any, name: str) -> None:
    queue = make(kind)
    with contextlib.suppress(TypeError):  # a number of the compiled one cannot be missing
        delattr(queue, name)
    try:
        queue.try_enqueue(*FIELDS)
    except AttributeError:
        assert kind is PureEventQueue
    if kind is PureEventQueue:
        with pytest.raises(AttributeError):
            kind().try_enqueue(*FIELDS)
    else:
        assert kind().try_enqueue(*FIELDS) is False


@each_kind
@pytest.mark.parametrize("where", ["encode", "wake"])
def test_a_queue_that_is_taken_apart_while_it_works(kind: Any, where: str) -> None:
    queue = make(kind, wake_at=1)
    actions: dict[str, Any] = {"encode": encode_plain, "wake": nothing}

    def take_apart(*arguments: Any) -> Any:
        for name in ("encode", "wake", "event_types"):
            delattr(queue, name)
        gc.collect()
        return actions[where](*arguments)

    setattr(queue, where, take_apart)
    del take_apart
    try:
        answer = queue.try_enqueue(*FIELDS)
    except (AttributeError, TypeError, SystemError):
        answer = False
    assert type(answer) is bool


@each_kind
def test_room_that_is_released_can_be_used_again(kind: Any) -> None:
    queue = make(kind, room=2, max_events=2, max_bytes=1000, overhead=10)
    assert [queue.enqueue(b"12345") for _ in range(3)] == [True, True, False]
    assert queue.is_half_full()
    assert queue.drain() == (b"12345", 1, None)
    assert not queue.enqueue(b"12345"), "a drained event is not settled"
    queue.release(1, 5)
    assert (queue.room, queue.pending_bytes) == (2, 15)
    assert queue.enqueue(b"12345")
    while queue.drain():
        queue.release(1, 5)
    assert (queue.room, queue.pending_bytes) == (2, 0)
    assert not queue.is_half_full()
    queue.release(-2, -10)
    assert (queue.room, queue.pending_bytes) == (0, 30)


@each_kind
@pytest.mark.parametrize(("pending", "expected"), [(500, False), (501, True)])
def test_half_of_the_bytes_is_half_full(kind: Any, pending: int, expected: bool) -> None:  # noqa: FBT001
    assert make(kind, max_bytes=1000, pending_bytes=pending).is_half_full() is expected


@each_kind
def test_a_closed_queue_stays_closed(kind: Any) -> None:
    queue: Any = make(kind)
    assert queue.enqueue(b"12345")
    assert not queue.is_closed
    queue.close()
    queue.arm(7)
    assert queue.drain() is not None
    queue.release(1, 5)
    assert queue.is_closed
    assert queue.wake_at == 0
    assert not queue.enqueue(b"12345")
    assert not queue.try_enqueue(*FIELDS)


@each_kind
def test_arm_takes_numbers_of_any_size(kind: Any) -> None:
    queue = make(kind)
    queue.arm(3)
    assert queue.wake_at == 3
    queue.arm(NEVER + 1)
    assert queue.wake_at >= NEVER


def test_both_kinds_and_the_stub_offer_the_same() -> None:
    stub = ast.parse(Path(segops.delivery.__file__).with_name("_speedups.pyi").read_text("utf-8"))
    [described] = (node for node in stub.body if isinstance(node, ast.ClassDef))
    declared = {
        node.target.id for node in described.body if isinstance(node, ast.AnnAssign) and hasattr(node.target, "id")
    }
    declared |= {node.name for node in described.body if isinstance(node, ast.FunctionDef)}
    for kind in KINDS.values():
        assert {name for name in dir(kind) if not name.startswith("_")} == declared
