"""`PartitionSink`: what tasks of any engine call."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from segops import Event, SegOpsAuthenticationError, SegOpsConfigError, SegOpsRateLimitError, SegOpsTransportError
from segops.bulk import FailedRow, PartitionSink
from segops.emulator import LocalSegOps, LocalServer
from tests.rig.fault_server import Call, FaultServer, raw, respond
from tests.rig.ports import refused_port

KEY = "sk_test_sink"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_API_KEY", KEY)


def rows(count: int, **more: Any) -> Iterator[dict[str, Any]]:
    return ({"user_id": f"u-{number}", "event_type": "order_placed", **more} for number in range(count))


def sent(server: FaultServer) -> list[tuple[str, bytes]]:
    return [(request.headers["idempotency-key"], request.body) for request in server.journal]


def test_rows_arrive_and_bad_ones_are_listed() -> None:
    mixed = [
        *rows(2),
        {"user_id": ""},
        7,
        None,
        Event("u-9", "order_placed", payload={"a": Decimal("1.5")}),
        {"x": object()},
    ]
    with LocalSegOps() as local, LocalServer(local) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTHER_KEY", local.secret_key)
        result = PartitionSink(server.url, "OTHER_KEY", job="orders").write(mixed, 3)
        assert local.summary().events == 3
    assert (result.partition, result.rows, result.delivered, result.dropped) == (3, 7, 3, {"invalid": 4})
    assert [failed.row for failed in result.failed] == [3, 4, 5, 7]
    assert isinstance(result.failed[0], FailedRow)


def test_a_pickled_sink_contains_no_key_and_sends_the_same_requests() -> None:
    with FaultServer() as server:
        sink = PartitionSink(server.url, job="orders")
        pickled = pickle.dumps(sink)
        assert KEY.encode() not in pickled
        first = sink.write(rows(1200), 0)
        second = pickle.loads(pickled).write(rows(1200), 0)
    assert first == second == pickle.loads(pickle.dumps(first))
    assert len(sent(server)) == 6
    assert sent(server)[:3] == sent(server)[3:], "also the times of events that have none"


def test_jobs_partitions_and_places_have_keys_of_their_own() -> None:
    same = [{"user_id": "u", "event_type": "e", "occurred_at": "2026-01-01T00:00:00Z"}] * 1000
    with FaultServer() as server:
        for job, partition in (("a", 0), ("a", 1), ("b", 0), ("a", "0-1")):
            PartitionSink(server.url, job=job).write(same, partition)
    assert len({body for _, body in sent(server)}) == 1
    assert len({key for key, _ in sent(server)}) == len(sent(server)) == 8


def test_a_batch_that_is_split_has_the_same_keys_each_time() -> None:
    def refuse_poison(call: Call) -> None:
        body = call.read().body
        call.peer.send(raw(400 if b"poison" in body else 202))

    some = [*rows(300), {"user_id": "poison", "event_type": "e"}, *rows(300)]
    with FaultServer(default=refuse_poison) as server:
        sink = PartitionSink(server.url, job="orders")
        result = sink.write(some, 0)
        count = len(sent(server))
        assert sink.write(some, 0) == result
    assert (result.delivered, result.dropped) == (600, {"rejected": 1})
    assert result.failed == (FailedRow(301, "the server rejected it"),)
    assert sent(server)[:count] == sent(server)[count:]
    assert len(dict(sent(server)[:count])) == count, "halves have keys of their own"


def test_large_events_are_cut_by_bytes_and_too_large_ones_are_listed() -> None:
    large = [
        {"user_id": "u", "event_type": "e", "payload": {"text": "x" * size}} for size in (30_000,) * 100 + (40_000,)
    ]
    with FaultServer() as server:
        result = PartitionSink(server.url, job="orders").write(large, 0)
    assert (result.delivered, result.dropped) == (100, {"too_large": 1})
    assert [len(body) <= 1024 * 1024 for _, body in sent(server)] == [True] * 3


def test_requests_may_be_slower() -> None:
    with FaultServer() as server:
        PartitionSink(server.url, job="orders", per_minute=6000).write(rows(1500), 0)
    assert len(sent(server)) == 3


def test_a_mapping_for_rows_of_another_shape() -> None:
    class Row:
        """As a Spark row is read."""

        def asDict(self, recursive: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002, N802 - as Spark has it
            assert recursive
            return {"uid": 7, "kind": "e", "total": 3}

    with FaultServer() as server:
        sink = PartitionSink(server.url, job="orders", mapping=["user_id=uid", "event_type=kind", "payload=*"])
        assert sink.write([Row()], 0).delivered == 1
    [(_, body)] = sent(server)
    [event] = json.loads(body)["events"]
    assert (event["user_id"], event["event_type"], event["payload"]) == ("7", "e", {"total": 3})


def test_retry_after_is_waited_for_even_beyond_the_patience() -> None:
    with FaultServer(respond(429, headers={"Retry-After": "1"})) as server:
        result = PartitionSink(server.url, job="orders", patience=0.1).write(rows(1), 0)
    assert (result.delivered, result.retries) == (1, 1)
    assert len({key for key, _ in sent(server)}) == 1


def test_a_limit_that_does_not_pass_soon_fails_the_task_at_once() -> None:
    with FaultServer(default=respond(429, headers={"Retry-After": "86400"})) as server:
        with pytest.raises(SegOpsRateLimitError):
            PartitionSink(server.url, job="orders", patience=60).write(rows(1), 0)
        assert len(sent(server)) == 1


def test_a_server_that_cannot_be_reached_or_refuses_the_key_fails_the_task() -> None:
    with pytest.raises(SegOpsTransportError):
        PartitionSink(f"http://127.0.0.1:{refused_port()}", job="orders", patience=0.1).write(rows(1), 0)
    with FaultServer(default=respond(401)) as server, pytest.raises(SegOpsAuthenticationError) as caught:
        PartitionSink(server.url, job="orders").write(rows(1), 0)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.status) == (SegOpsAuthenticationError, str(caught.value), 401)


def test_an_error_of_the_rows_is_that_of_the_task() -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from rows(700)
        raise OSError("the disk is gone")

    with FaultServer() as server, pytest.raises(OSError, match="the disk is gone"):
        PartitionSink(server.url, job="orders").write(broken(), 0)
    assert len(sent(server)) <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": ""}, "url must be a non-empty string, got ''"),
        ({"job": None}, "job must be a non-empty string, got None"),
        ({"key_env": KEY}, "must be the name of an environment variable, got a key"),
        ({"per_minute": 0}, "per_minute must be a number of at least 0.001, got 0"),
        ({"patience": -1}, "patience must be a number of at least 0, got -1"),
        ({"mapping": "segmant"}, "did you mean segment?"),
    ],
)
def test_arguments_that_cannot_be_used(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SegOpsConfigError) as caught:
        PartitionSink(**{"url": "memory:", "job": "orders", **arguments})
    assert message in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SEGOPS_API_KEY", "", "no API key: set SEGOPS_API_KEY where the tasks run"),
        ("SEGOPS_API_KEY", "pk_live_1", "use a secret key (sk_)"),
        ("SEGOPS_DISABLED", "1", "unset SEGOPS_DISABLED"),
    ],
)
def test_an_environment_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with FaultServer() as server, pytest.raises(SegOpsConfigError) as caught:
        PartitionSink(server.url, job="orders").write(rows(1), 0)
    assert message in str(caught.value)
    assert server.journal == []
