"""What each response means: docs/reliability.md, "What each response means", and rows 12 to 21 of its table."""

from __future__ import annotations

import math
from typing import Any

import pytest

from segops import SegOpsClient
from segops.core import (
    BATCH_PATH,
    SINGLE_PATH,
    Request,
    Response,
    SegOpsApiError,
    SegOpsEventError,
    SegOpsTimeoutError,
    SegOpsTransportError,
    Transport,
)
from segops.core.options import Limits
from segops.core.retry import RetryPolicy
from tests.rig.harness import MakeRig, Reply, events, idempotency_key, names, reply, script, users

HOLD_STATUSES = [100, 300, 301, 302, 303, 304, 307, 308, 401, 402, 403, 404, 405, 409, 410, 418, 431, 451, 501, 505]
HOLD_STATUSES += [600, 601, 699, 700, 999]  # of no class that HTTP knows: another attempt may never be over
RETRY_ANSWERS: list[Reply] = [
    *[408, 425, 429, 500, 502, 503, 504, 507, 520, 599],
    SegOpsTransportError("refused"),
    SegOpsTimeoutError("too slow"),
    OSError("a third-party transport"),
    ValueError("a third-party bug"),
]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_is_delivered_by_status(make: MakeRig, status: int) -> None:
    rig = make(script(reply(status, b"<html>")))
    rig.track("a", "b")
    assert rig.client.flush()
    assert (rig.client.stats().delivered, rig.errors) == (2, [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"skipped": "2"}',
        b'{"skipped": null}',
        b'{"skipped": -1}',
        b'{"skipped": 1e400}',
        b'{"queued": 2}',
        b'{"x":' + b"[" * 100_000,
        b"[" * 100_000,
    ],
)
def test_a_success_with_an_unreadable_body_is_delivered_once(make: MakeRig, body: bytes) -> None:
    """Row 20."""
    rig = make(script(reply(202, body)))
    rig.track("a", "b")
    assert rig.client.flush()
    assert (len(rig.server.requests), rig.client.stats().delivered, rig.errors) == (1, 2, [])


@pytest.mark.parametrize(("skipped", "counted"), [(1, 1), (3, 3), (5, 5), (99, 5), (10**30, 5)])
def test_skipped_events_are_counted_drops(make: MakeRig, skipped: int, counted: int) -> None:
    """Row 21."""
    rig = make(script(reply(202, b'{"queued": 0, "skipped": %d}' % skipped)))
    rig.track(*names(5))
    assert not rig.client.flush()
    stats = rig.client.stats()
    assert (stats.delivered, stats.dropped, stats.pending) == (5 - counted, {"rejected": counted}, 0)
    (error,) = rig.errors
    assert isinstance(error, SegOpsEventError)
    assert (error.reason, error.count) == ("rejected", counted)


@pytest.mark.parametrize("status", HOLD_STATUSES)
def test_a_hold_pauses_and_says_so_once(make: MakeRig, status: int) -> None:
    """Rows 16 and 17."""
    rig = make(lambda _: reply(status, location="https://elsewhere.example.org/"))
    rig.track("a", "b")
    assert not rig.client.flush()
    assert rig.clock.monotonic() == 0.0, "flush waits for nothing that no retry cures"
    assert not rig.client.flush()
    assert len(rig.server.requests) == 1, "a paused client sends nothing"
    for count in range(1, 6):
        rig.clock.advance(29.9)
        assert not rig.client.flush()
        assert len(rig.server.requests) == count, "not before the back-off is over"
        rig.clock.advance(0.1)
        assert not rig.client.flush()
    assert len(rig.server.requests) == 6, "one probe per back-off"
    assert len({(idempotency_key(each), each.body, each.path) for each in rig.server.requests}) == 1
    assert [type(error).__mro__[1] for error in rig.errors] in ([SegOpsApiError], [SegOpsApiError.__mro__[1]])
    stats = rig.client.stats()
    assert (stats.pending, stats.dropped) == (2, {})
    rig.server.responder = script()
    rig.clock.advance(30.0)
    assert rig.client.flush()
    assert rig.server.stored == ["a", "b"]


def test_a_hold_is_one_error_however_the_body_varies(make: MakeRig) -> None:
    rig = make(lambda _: reply(401, f'{{"request_id": {len(rig.server.requests)}}}'.encode()))
    rig.track("a")
    for _ in range(4):
        rig.client.flush()
        rig.clock.advance(30.0)
    assert (len(rig.server.requests), len(rig.errors)) == (4, 1)


def test_a_second_hold_after_a_recovery_is_reported_again(make: MakeRig) -> None:
    rig = make(script(404, 202, 404, 405))
    for name in ("a", "b"):
        rig.track(name)
        rig.client.flush()
        rig.clock.advance(30.0)
        rig.client.flush()
    rig.clock.advance(30.0)
    rig.client.flush()
    statuses = [error.status for error in rig.errors if isinstance(error, SegOpsApiError)]
    assert statuses == [404, 404, 405], "each new trouble once"


@pytest.mark.parametrize("answer", RETRY_ANSWERS, ids=str)
def test_a_passing_failure_is_repeated_byte_for_byte(make: MakeRig, answer: Reply) -> None:
    """Row 6."""
    rig = make(script(answer, answer, answer))
    rig.track("a", "b")
    assert rig.client.flush()
    assert len(rig.server.requests) == 4
    assert len({(idempotency_key(each), each.body, each.path) for each in rig.server.requests}) == 1
    stats = rig.client.stats()
    assert (stats.delivered, stats.retries, stats.dropped) == (2, 3, {})
    assert rig.server.stored == ["a", "b"]


class Rubbish(Transport):
    """Returns invalid responses, then valid ones."""

    url = "https://api.example.org"

    def __init__(self, *rubbish: object) -> None:
        self.rubbish = list(rubbish)
        self.stored: list[str] = []

    def send(self, request: Request, *, timeout: float) -> Response:
        assert timeout > 0
        if self.rubbish:
            return self.rubbish.pop(0)  # type: ignore[return-value]
        self.stored += users(request)
        return Response(202)


@pytest.mark.parametrize(
    "rubbish",
    [
        None,
        202,
        Response("202"),  # type: ignore[arg-type]
        Response(503, None),  # type: ignore[arg-type]
        Response(503, {"retry-after": 5}),  # type: ignore[dict-item]
        Response(404, {}, "text"),  # type: ignore[arg-type]
        Response(202, {}, None),  # type: ignore[arg-type]
        Response(None),  # type: ignore[arg-type]
    ],
)
def test_an_invalid_response_of_a_third_party_transport_is_a_network_error(make: MakeRig, rubbish: object) -> None:
    rig = make()
    transport = Rubbish(rubbish)
    client = SegOpsClient(
        api_key="sk_test", transport=transport, worker="inline", batch_size=1, clock=rig.client._config.clock
    )
    client.track(user_id="a", event_type="x")
    assert client.flush()
    client.shutdown()
    stats = client.stats()
    assert (stats.accepted, stats.delivered, transport.stored) == (1, 1, ["a"])


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("position", [0, 1, 49, 50, 98, 99])
def test_one_poison_event_of_a_hundred_is_found(make: MakeRig, status: int, position: int) -> None:
    """Row 15."""
    poison = f"user-{position}"
    rig = make(lambda request: status if poison in users(request) else 202)
    rig.track(*names(100))
    assert not rig.client.flush()
    assert rig.client.flush(), "that loss was reported"
    stats = rig.client.stats()
    assert (stats.delivered, stats.dropped, stats.pending) == (99, {"rejected": 1}, 0)
    assert rig.server.stored == [name for name in names(100) if name != poison], "all others once, in order"
    assert len(rig.server.requests) <= 1 + 2 * math.ceil(math.log2(100))
    bodies = {each.body: idempotency_key(each) for each in rig.server.requests}
    assert len(set(bodies.values())) == len(bodies) == len(rig.server.requests), "each half has a key of its own"
    (error,) = rig.errors
    assert isinstance(error, SegOpsEventError)
    assert error.reason == "rejected"


def test_413_halves_and_a_single_event_is_too_large(make: MakeRig) -> None:
    """Row 14."""
    rig = make(lambda request: 413 if len(request.body) > 400 else 202)
    for name in names(16):
        padding = "x" * 500 if name == "user-7" else ""
        rig.client.track(user_id=name, event_type="e", payload={"p": padding})
    assert not rig.client.flush()
    stats = rig.client.stats()
    assert (stats.delivered, stats.dropped) == (15, {"too_large": 1})
    assert rig.server.stored == [name for name in names(16) if name != "user-7"]


def test_a_split_in_the_middle_of_an_outage_keeps_order_and_keys(make: MakeRig) -> None:
    rig = make(script(503, 413, 503, 202, 429, 202))
    rig.track(*names(4))
    assert rig.client.flush()
    assert [users(each) for each in rig.server.requests] == [
        names(4),
        names(4),
        names(4)[:2],
        names(4)[:2],
        names(4)[2:],
        names(4)[2:],
    ]
    keys = [idempotency_key(each) for each in rig.server.requests]
    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert keys[4] == keys[5]
    assert len(set(keys)) == 3


def test_requests_hold_at_most_500_events(make: MakeRig) -> None:
    rig = make(batch_size=20, flush_interval=60)
    rig.server.responder = script(reply(429, retry_after="60"))
    rig.track(*names(1234))
    assert rig.client.flush()
    assert [len(events(each)) for each in rig.server.requests] == [20, 20, 500, 500, 214], "batch_size caps nothing"
    assert rig.server.stored == names(1234)


def test_requests_hold_at_most_a_mebibyte(make: MakeRig) -> None:
    rig = make()
    for name in names(100):
        rig.client.track(user_id=name, event_type="e", payload={"p": "x" * 30_000})
    assert rig.client.flush()
    sizes = [len(each.body) for each in rig.server.requests]
    assert max(sizes) <= 1024 * 1024 < min(sizes[:-1]) + 30_200, "filled up, and no more"
    assert rig.server.stored == names(100)


@pytest.mark.parametrize("room", range(-3, 4))
def test_the_byte_limit_is_kept_to_the_byte(make: MakeRig, room: int) -> None:
    def sizes(**options: Any) -> list[int]:
        rig = make(**options)
        for name in ("a", "b", "c"):
            rig.client.track(user_id=name, event_type="e", occurred_at="2027-01-05T09:30:00Z")
        assert rig.client.flush()
        return [len(each.body) for each in rig.server.requests]

    (whole,) = sizes()
    tight = sizes(limits=Limits(batch_bytes=whole + room))
    assert max(tight) <= whole + room
    assert len(tight) == (1 if room >= 0 else 2), "filled to the last byte"


def test_without_batches_each_event_goes_to_the_single_endpoint_at_once(make: MakeRig) -> None:
    rig = make(batch=False)
    for count, name in enumerate(names(5), 1):
        rig.track(name)
        assert len(rig.server.requests) == count
    assert {each.path for each in rig.server.requests} == {SINGLE_PATH}
    assert [events(each)[0]["user_id"] for each in rig.server.requests] == names(5)
    assert len({idempotency_key(each) for each in rig.server.requests}) == 5


def test_without_batches_an_outage_keeps_order(make: MakeRig) -> None:
    rig = make(script(503, SegOpsTransportError("reset"), 202, 400, 202), batch=False)
    rig.track("a", "b", "c")
    assert not rig.client.flush()
    assert rig.server.stored == ["a", "c"]
    assert rig.client.stats().dropped == {"rejected": 1}


def test_batches_go_to_the_batch_endpoint(make: MakeRig) -> None:
    rig = make()
    rig.track("a")
    rig.client.flush()
    (request,) = rig.server.requests
    assert (request.method, request.path) == ("POST", BATCH_PATH)
    assert request.headers["Authorization"] == "ApiKey sk_test_planted_secret_1"
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("answer", [404, 401, 503, SegOpsTransportError("refused")], ids=str)
def test_a_hold_expires_into_counted_drops(make: MakeRig, answer: Reply) -> None:
    """Row 11."""
    rig = make(lambda _: answer)
    rig.track("a", "b")
    while rig.clock.monotonic() < 299:
        rig.client.flush(0.001)
        assert rig.client.stats().pending == 2, f"dropped after {rig.clock.monotonic()} s already"
        rig.clock.advance(1.0)
    while rig.clock.monotonic() < 300 + 31:
        rig.client.flush(0.001)
        rig.clock.advance(1.0)
    stats = rig.client.stats()
    assert (stats.pending, stats.dropped) == (0, {"undeliverable": 2})
    last = rig.errors[-1]
    assert isinstance(last, SegOpsEventError)
    assert (last.reason, last.count) == ("undeliverable", 2)


def test_events_that_were_held_keep_their_order(make: MakeRig) -> None:
    rig = make(lambda _: 401)
    for name in names(30):
        rig.track(name)
        rig.client.flush(0.0)
        rig.clock.advance(1.0)
    rig.server.responder = script()
    rig.clock.advance(30.0)
    assert rig.client.flush()
    assert rig.server.stored == names(30)


def test_one_probe_per_back_off_however_much_is_tracked_and_flushed(make: MakeRig) -> None:
    rig = make(lambda _: 503, batch_size=1)
    while rig.clock.monotonic() < 250:
        rig.track("a", "b")
        rig.client.flush(0.0)
        rig.clock.advance(0.25)
    gaps = [after - before for before, after in zip(rig.server.times, rig.server.times[1:], strict=False)]
    wanted = [0.5 * min(30.0, 0.5 * 2.0**failures) for failures in range(len(gaps))]
    assert all(gap >= delay for gap, delay in zip(gaps, wanted, strict=True))
    assert len(gaps) < 25


@pytest.mark.parametrize("every", [2, 10, 100, 10**9])
def test_retries_do_not_amplify_an_outage(make: MakeRig, every: int) -> None:
    """Row 13: one in `every` requests succeeds, for two hours of an event every five seconds."""
    rig = make(lambda _: 202 if len(rig.server.requests) % every == 0 else 503, retry=RetryPolicy(base=0.0))
    healthy = 0
    while rig.clock.monotonic() < 7200:
        rig.track("a")
        rig.client.flush(4.9)
        healthy += 1
        rig.clock.advance(max(0.0, 5.0 * healthy - rig.clock.monotonic()))
    assert len(rig.server.requests) <= 10 + 1.1 * healthy
    spaced = 7200 / 30
    if every >= 100:
        assert len(rig.server.requests) <= 10 + 1.1 * spaced + 2, "past the floor, one probe per 30 s"
    assert rig.balanced()
