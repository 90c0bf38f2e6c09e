"""With a public key the events of a user are gathered within the queue: in few requests, in order, and none twice."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segops import Limits, UserContext
from segops.core import SESSION_PATH
from segops.core.encoding import split
from segops.delivery.batch import owner_size
from segops.delivery.queue import OWNER_BYTES, ROUND_EVENTS, PureEventQueue, identity
from tests.delivery.queues import PLENTY, make
from tests.delivery.test_session import session
from tests.rig.harness import PUBLIC, MakeRig, Rig, events

USERS = ("a", "é", None)
OWNERS = [UserContext(user, device, sig) for user in USERS for device in (None, "d") for sig in (None, "1", "2")]


def encoded(number: int) -> bytes:
    return b'"%d"' % number


def owned_queue(**attributes: Any) -> PureEventQueue:
    return make(partial(PureEventQueue, owned=True), **{"overhead": OWNER_BYTES, "is_single": False, **attributes})


@settings(max_examples=400)
@given(
    steps=st.lists(st.none() | st.sampled_from(OWNERS), max_size=80),
    batch_events=st.integers(1, 6),
    batch_bytes=st.integers(0, 60) | st.just(PLENTY),
    is_single=st.booleans(),
)
def test_each_request_holds_one_claim_and_each_user_keeps_the_order(
    steps: list[UserContext | None], batch_events: int, batch_bytes: int, *, is_single: bool
) -> None:
    """None stands for taking a request."""
    queue = owned_queue(batch_events=1 if is_single else batch_events, batch_bytes=batch_bytes, is_single=is_single)
    came: dict[object, list[tuple[UserContext, bytes]]] = defaultdict(list)
    went: dict[object, list[tuple[UserContext, bytes]]] = defaultdict(list)
    positions: list[bytes] = []
    taken: set[bytes] = set()
    in_order: dict[object, list[int]] = defaultdict(list)

    def take() -> None:
        got = queue.drain()
        if got is None:
            assert not queue.waiting
            return
        body, count, owner = got
        assert owner is not None
        members = [body] if is_single else split(body)
        assert len(members) == count <= batch_events
        assert count == 1 or len(body) - 2 <= batch_bytes
        in_order[owner.user_id or owner.anonymous_id] += [int(member.strip(b'"')) for member in members]
        went[identity(owner)] += [(owner, member) for member in members]
        taken.update(members)
        queue.room += count
        queue.pending_bytes -= sum(map(len, members)) + count * (queue.overhead + owner_size(owner))
        assert taken >= set(positions[: len(taken) - queue.out_of_turn]), "all before that position were taken"

    for number, owner in enumerate(steps):
        if owner is None:
            take()
        else:
            event = encoded(number)
            assert queue.enqueue(event, owner)
            came[identity(owner)].append((owner, event))
            positions.append(event)
        assert queue.waiting == len(positions) - len(taken)
    while queue.waiting:
        take()
    assert went == came
    assert all(numbers == sorted(numbers) for numbers in in_order.values()), "also across the devices of a user"
    assert (queue.pending_bytes, queue.room, queue.out_of_turn) == (0, PLENTY, 0)


def test_the_bounds_hold_in_both_halves_of_the_queue() -> None:
    queue = owned_queue(room=3, max_bytes=3 * (OWNER_BYTES + 200), batch_events=1)
    a, b = UserContext("a"), UserContext("b")
    assert [queue.enqueue(encoded(n), owner) for n, owner in enumerate((a, b, a, b))] == [True, True, True, False]
    assert queue.drain() is not None
    assert not queue.enqueue(encoded(5), a), "what was taken is not settled"
    queue.room += 1
    assert queue.enqueue(encoded(6), a)
    queue.max_bytes = queue.pending_bytes
    queue.room += 1
    assert not queue.enqueue(encoded(7), UserContext("x" * 500))


def public(make: MakeRig, **options: Any) -> tuple[Rig, list[str]]:
    """Make a rig of users that take turns, whose tokens are their names."""
    turn: list[str] = []

    def answer(request: Any) -> Any:
        if request.path == SESSION_PATH:
            return session(msgspec.json.decode(request.body)["user_id"], 4e9)
        return 202

    return make(answer, key=PUBLIC, get_user=lambda: {"user_id": turn[-1]}, **options), turn


def track(rig: Rig, turn: list[str], *users: str) -> None:
    for number, user in enumerate(users):
        turn.append(user)
        rig.client.track(user_id=user, event_type="e", payload={"n": number})


@pytest.mark.parametrize("spool_policy", [None, "overflow", "always"])
@pytest.mark.parametrize("users", [2, 50])
def test_users_that_alternate_take_a_request_each_and_not_one_for_each_event(
    make: MakeRig, tmp_path: Any, users: int, spool_policy: str | None
) -> None:
    options = {} if spool_policy is None else {"spool": tmp_path / "spool" / "s.db", "spool_policy": spool_policy}
    (tmp_path / "spool").mkdir(mode=0o700)
    rig, turn = public(make, **options)
    track(rig, turn, *[f"u{number % users}" for number in range(2000)])
    assert rig.client.flush()
    assert len(rig.server.requests) <= users + max(users, 4)
    numbers: dict[str, list[int]] = defaultdict(list)
    for request in rig.server.ingestion():
        for event in events(request):
            assert request.headers["Authorization"] == f"Bearer {event['user_id']}"
            numbers[event["user_id"]].append(event["payload"]["n"])
    assert all(each == sorted(each) for each in numbers.values())
    assert sum(map(len, numbers.values())) == 2000


def test_a_flush_is_true_only_once_all_before_it_is_settled(make: MakeRig) -> None:
    """What comes during a round must not be taken for what came before the flush."""
    later: list[Any] = []

    def answer(request: Any) -> Any:
        if request.path == SESSION_PATH:
            return session("t", 4e9)
        for action in later:
            action()
        later.clear()
        return 503 if b'"user_id":"b"' in request.body and stuck else 202

    stuck = [True]
    turn: list[str] = []
    rig = make(answer, key=PUBLIC, get_user=lambda: {"user_id": turn[-1]}, limits=Limits(batch_events=2))
    track(rig, turn, "a", "b", "a", "b")
    later.append(lambda: track(rig, turn, *["a"] * 9))
    assert not rig.client.flush(0.2), "those of b are not delivered"
    stuck.clear()
    assert rig.client.flush(100)
    assert rig.client.flush(100)
    assert rig.client.stats().delivered == 13


def test_halves_of_a_gathered_batch_hold_up_a_flush_to_the_end(make: MakeRig) -> None:
    answers = iter([413, 202, 503])

    def answer(request: Any) -> Any:
        return session("t", 4e9) if request.path == SESSION_PATH else next(answers, 202)

    turn: list[str] = []
    rig = make(answer, key=PUBLIC, get_user=lambda: {"user_id": turn[-1]})
    track(rig, turn, "a", "b", "a", "a")
    assert not rig.client.flush(0.001)
    assert rig.client.flush(100)
    assert rig.client.stats().delivered == 4


def test_a_round_is_bounded_and_what_is_left_follows(make: MakeRig) -> None:
    rig, turn = public(make, limits=Limits(batch_events=500))
    track(rig, turn, *["a", "b"] * (ROUND_EVENTS // 2 + 100))
    assert rig.client.flush()
    assert rig.client.stats().delivered == ROUND_EVENTS + 200
    assert len(rig.server.ingestion()) == ROUND_EVENTS // 500 + 2
