"""Scripted faults, in process and over both servers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from segops import SegOpsClient, SegOpsConfigError, SegOpsTimeoutError, SegOpsTransportError
from segops.core import BATCH_PATH, SINGLE_PATH, Request
from segops.devserver.server import DevServer
from segops.emulator import Fault, Faults, LocalSegOps, LocalServer, LocalTransport, parse_fault
from tests.devserver.dev_rig import ask

BATCH = "POST /api/ingestion/track/batch/"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("POST /x/ 503", Fault(method="POST", path="/x/", status=503)),
        ("* * 429 retry-after=2 x3", Fault(method="*", path="*", status=429, retry_after="2", times=3)),
        ("GET /x reset x*", Fault(method="GET", path="/x", reset=True, times=None)),
        ("  POST  /x\tdelay=0.25   lose ", Fault(method="POST", path="/x", delay=0.25, lose=True)),
        ("POST /x skip=2 expire", Fault(method="POST", path="/x", skip=2, expire=True)),
        (
            "POST /x 503 retry-after=Fri,_31_Dec_1999_23:59:59_GMT",
            Fault(method="POST", path="/x", status=503, retry_after="Fri, 31 Dec 1999 23:59:59 GMT"),
        ),
    ],
)
def test_a_line_is_read_and_written_again(line: str, fault: Fault) -> None:
    assert parse_fault(line) == fault
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("", "expected a method"),
        ("POST /x", "expected a method"),
        ("post /x 503", "expected a method"),
        ("POST x 503", "expected a method"),
        ("POST /x 200", "unknown effect '200'"),
        ("POST /x 5033", "unknown effect '5033'"),
        ("POST /x x3", "an effect is missing"),
        ("POST /x 503 x0", "unknown effect 'x0'"),
        ("POST /x 503 503", "repeats status"),
        ("POST /x 503 reset", "a status and reset"),
        ("POST /x reset lose", "reset and lose"),
        ("POST /x reset retry-after=1", "retry-after requires a status"),
        ("POST /x delay=nan", "unknown effect"),
        ("POST /x delay=301", "unknown effect"),
        ("POST /x delay=-1", "unknown effect"),
        ("POST /x delay=soon", "unknown effect"),
        ("POST /x delay=", "unknown effect"),
        ("POST /x skip=0", "unknown effect"),
        ("POST /x explode", "unknown effect 'explode'"),
    ],
)
def test_an_invalid_fault_is_rejected(line: str, what: str) -> None:
    faults = Faults()
    with pytest.raises(SegOpsConfigError, match=what):
        faults.add("POST /x 503", line)
    assert faults.pending() == []


def test_faults_happen_in_order_and_as_often_as_asked() -> None:
    faults = Faults()
    faults.add("POST /a* 500 x2", "* /a/b 503 x*", "GET /a/b 400")
    statuses = [faults.take("POST", "/a/b?x=1").status for _ in range(4)]
    assert statuses == [500, 500, 503, 503]
    assert faults.take("POST", "/b").status is None
    assert faults.pending() == ["* /a/b 503 x*", "GET /a/b 400 x1"]
    faults.clear()
    assert faults.pending() == []
    assert faults.take("GET", "/a/b").status is None


@pytest.fixture(params=["local", "LocalServer", "DevServer"])
def client(request: pytest.FixtureRequest, local: LocalSegOps) -> Iterator[SegOpsClient]:
    if request.param == "local":
        with SegOpsClient(transport=LocalTransport(local)) as client:
            yield client
    elif request.param == "LocalServer":
        with LocalServer(local) as server, SegOpsClient(server.url, local.secret_key) as client:
            yield client
    else:
        with DevServer(local) as dev, SegOpsClient(dev.info.url, local.secret_key) as client:
            yield client


def send(client: SegOpsClient, count: int = 1) -> bool:
    for number in range(count):
        client.track(user_id=f"u-{number}", event_type="order_placed", payload={"n": number})
    return client.flush(60)


def test_a_status_is_returned_and_nothing_stored(client: SegOpsClient, local: LocalSegOps) -> None:
    local.faults.add(f"{BATCH} 503 retry-after=0 x2")
    assert send(client)
    records = local.requests()
    assert [record.status for record in records] == [503, 503, 202]
    assert [record.is_fault for record in records] == [True, True, False]
    assert len(list(local.events())) == 1


def test_a_reset_stores_nothing_and_the_client_tries_again(client: SegOpsClient, local: LocalSegOps) -> None:
    local.faults.add(f"{BATCH} reset")
    assert send(client)
    assert [record.status for record in local.requests()] == [0, 202]
    assert len(list(local.events())) == 1


def test_a_lost_response_makes_the_client_send_again_what_was_stored(client: SegOpsClient, local: LocalSegOps) -> None:
    local.faults.add(f"{BATCH} lose")
    assert send(client)
    first, second = local.requests()
    assert first.idempotency_key == second.idempotency_key
    assert len(list(local.events())) == 2


def test_some_events_of_a_batch_are_skipped(client: SegOpsClient, local: LocalSegOps) -> None:
    local.faults.add(f"{BATCH} skip=2")
    assert not send(client, 5)
    assert client.stats().dropped == {"rejected": 2}
    assert [event.payload["n"] for event in local.events()] == [2, 3, 4]
    assert [skip.reason for skip in local.inspection.rejected(9)] == ["Rejected by a scripted fault."] * 2


def test_a_delay_is_waited_for(client: SegOpsClient, local: LocalSegOps) -> None:
    local.faults.add(f"{BATCH} delay=0.3")
    started = time.monotonic()
    assert send(client)
    assert time.monotonic() - started >= 0.3


def test_expired_sessions_are_renewed(local: LocalSegOps) -> None:
    local.faults.add(f"{BATCH} expire")
    with DevServer(local) as server, SegOpsClient(server.info.url, local.public_key) as client:
        assert send(client)
    assert [(record.path.rsplit("/", 2)[1], record.status) for record in local.requests()] == [
        ("session", 200),
        ("batch", 401),
        ("session", 200),
        ("batch", 202),
    ]


def test_in_process_faults_are_errors_of_the_transport(local: LocalSegOps) -> None:
    transport = LocalTransport(local)
    local.faults.add("POST * reset", "POST * delay=0.2")
    with pytest.raises(SegOpsTransportError, match="reset the connection"):
        transport.send(Request("POST", BATCH_PATH), timeout=60)
    with pytest.raises(SegOpsTimeoutError, match=r"after 0\.05 s"):
        transport.send(Request("POST", SINGLE_PATH), timeout=0.05)


def test_faults_are_scripted_over_http(server: DevServer, local: LocalSegOps) -> None:
    url = server.info.url
    assert ask(url, "/_dev/faults", {"faults": ["POST * 418 x2", "GET * 500"]}) == (
        201,
        {"faults": ["POST * 418 x2", "GET * 500 x1"]},
    )
    assert ask(url, SINGLE_PATH, {})[0] == 418
    assert ask(url, "/_dev/faults") == (200, {"faults": ["POST * 418 x1", "GET * 500 x1"]})
    status, complaint = ask(url, "/_dev/faults", {"faults": ["POST * explode"]})
    assert status == 400
    assert "unknown effect 'explode'" in complaint["faults"][0]
    assert ask(url, "/_dev/faults", b"{")[0] == 400
    assert ask(url, "/_dev/faults", method="DELETE") == (200, {"faults": []})
    assert local.faults.pending() == []
