"""The conformance tests with every built-in transport, and with broken ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from segops.core import BATCH_PATH, Request, Response, SegOpsTimeoutError, Transport
from segops.emulator import LocalSegOps, LocalServer, LocalTransport
from segops.testing import FakeClock, TransportConformance
from segops.transports.http import HttpTransport
from segops.transports.memory import MemoryTransport
from segops.transports.ndjson import FileTransport, StdoutTransport
from tests.rig.fault_server import FaultServer, stall

Events = Sequence[Mapping[str, Any]]


class _OverHttp(TransportConformance):
    @pytest.fixture(autouse=True)
    def _stack(self) -> Iterator[None]:
        with ExitStack() as self.stack:
            yield

    def stalled(self) -> Transport:
        return HttpTransport(self.stack.enter_context(FaultServer(stall())).url)


class TestHttp(_OverHttp):
    """Against the rig's server, which takes everything."""

    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        with FaultServer() as self.server:
            transport = HttpTransport(self.server.url)
            yield transport
            transport.close()

    def delivered(self, transport: Transport) -> Events:  # noqa: ARG002 - the server's journal is asked
        bodies = [json.loads(received.body) for received in self.server.journal]
        return [event for body in bodies for event in body.get("events", [body])]


class TestHttpToLocalSegOps(_OverHttp):
    """Against the local SegOps behind its server."""

    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        with LocalSegOps() as self.segops, LocalServer(self.segops) as server:
            transport = HttpTransport(server.url)
            transport.api_key = self.segops.secret_key
            yield transport
            transport.close()

    def delivered(self, transport: Transport) -> Events:  # noqa: ARG002 - the database is asked
        return _stored(self.segops)


class TestLocal(TransportConformance):
    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        self.local = LocalTransport()
        yield self.local
        self.local.close()

    def delivered(self, transport: Transport) -> Events:  # noqa: ARG002 - the database is asked
        return _stored(self.local.segops)


class TestFile(TransportConformance):
    @pytest.fixture(params=[None, 500], ids=["growing", "rotating"])
    def transport(self, request: pytest.FixtureRequest, tmp_path: Path) -> Transport:
        self.directory = tmp_path
        return FileTransport(tmp_path / "events.ndjson", max_bytes=request.param, backups=1000)

    def delivered(self, transport: Transport) -> Events:  # noqa: ARG002 - the files are read
        return [json.loads(line) for path in self.directory.iterdir() for line in path.read_bytes().splitlines()]


class TestStdout(TransportConformance):
    @pytest.fixture
    def transport(self, capfdbinary: pytest.CaptureFixture[bytes]) -> Transport:
        self.captured = capfdbinary
        return StdoutTransport()

    def delivered(self, transport: Transport) -> Events:  # noqa: ARG002 - the capture is read
        return [json.loads(line) for line in self.captured.readouterr().out.splitlines()]


class TestMemory(TransportConformance):
    @pytest.fixture(params=[True, False], ids=["offline", "online"])
    def transport(self, request: pytest.FixtureRequest) -> Transport:
        self.memory = MemoryTransport(offline=request.param)
        return self.memory

    def delivered(self, transport: Transport) -> Events:  # noqa: ARG002 - the transport under test is the store
        return self.memory.events


def _stored(segops: LocalSegOps) -> Events:
    return [{"user_id": e.user_id, "event_type": e.event_type, "payload": e.payload} for e in segops.events()]


# The suite itself


class _Broken(Transport):
    """Breaks one clause of the contract, as its name says."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.url = "broken:sk_test_conformance" if fault == "shows its key" else "broken:"
        self.offline = fault == "wants a key offline"
        self.events: list[dict[str, Any]] = []
        self.closed = 0
        if fault == "odd attributes":
            self.offline = None  # type: ignore[assignment]

    def send(self, request: Request, *, timeout: float) -> Response:  # noqa: ARG002 - responds at once
        if self.fault == "foreign errors" and request.path not in {BATCH_PATH, "/api/ingestion/track/"}:
            raise KeyError(request.path)
        if self.fault == "wants a key offline" and "Authorization" not in request.headers:
            return Response(401)
        if self.fault == "refuses":
            return Response(503)
        body = json.loads(request.body) if request.body not in {b"{", b"[]"} else {"events": []}
        self.events += body.get("events", [body])[: 1 if self.fault == "loses events" else 500]
        if self.fault == "mangles text":
            self.events = [{**event, "payload": {"text": "?"}} for event in self.events]
        return Response(202, {"Retry-After" if self.fault == "capital headers" else "x": "1"}, b'{"queued":1}')

    def close(self) -> None:
        self.closed += 1
        if self.fault == "closes once" and self.closed > 1:
            raise RuntimeError("closed")


class _Suite(TransportConformance):
    def delivered(self, transport: Transport) -> Events:
        return transport.events  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("refuses", "test_a_single_event_is_accepted"),
        ("loses events", "test_a_batch_is_accepted_in_order"),
        ("mangles text", "test_text_arrives_unchanged"),
        ("foreign errors", "test_no_status_raises"),
        ("capital headers", "test_header_names_of_responses_are_in_lower_case"),
        ("refuses", "test_threads_may_share_it"),
        ("closes once", "test_close_may_be_repeated_and_what_was_sent_stays"),
        ("shows its key", "test_nothing_secret_is_shown"),
        ("odd attributes", "test_its_attributes_are_of_their_types"),
        ("wants a key offline", "test_an_offline_transport_needs_no_key"),
    ],
)
def test_the_suite_finds_what_is_broken(fault: str, test: str) -> None:
    with pytest.raises((AssertionError, KeyError, RuntimeError)):
        getattr(_Suite(), test)(_Broken(fault))
    getattr(_Suite(), test)(_Broken("none"))


def test_the_suite_finds_a_transport_that_responses_where_it_should_stall() -> None:
    class Responds(_Suite):
        def stalled(self) -> Transport:
            return _Broken("none")

    with pytest.raises(AssertionError, match="got a response"):
        Responds().test_a_timeout_is_kept()


def test_the_suite_finds_a_timeout_that_is_kept_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(_Broken):
        def send(self, request: Request, *, timeout: float) -> Response:  # noqa: ARG002 - responds too late
            clock.advance(5)
            raise SegOpsTimeoutError("late")

    class Lates(_Suite):
        def stalled(self) -> Transport:
            return Late("none")

    clock = FakeClock()
    monkeypatch.setattr("segops.testing.conformance.time", clock)
    with pytest.raises(AssertionError, match=r"took 5\.0 s"):
        Lates().test_a_timeout_is_kept()


def test_it_works_without_reading_back_and_without_stalling() -> None:
    suite = TransportConformance()
    suite.test_a_single_event_is_accepted(MemoryTransport())
    suite.test_text_arrives_unchanged(MemoryTransport())
    with pytest.raises(pytest.skip.Exception, match="stalled"):
        suite.test_a_timeout_is_kept()


# The clock


def test_the_clock_moves_only_when_told() -> None:
    clock = FakeClock(1000.0, draw=0.25)
    assert (clock.monotonic(), clock.time(), clock.random()) == (0.0, 1000.0, 0.25)
    clock.advance(2)
    clock.sleep(3)
    clock.sleep(-1)
    assert (clock.monotonic(), clock.time(), clock.sleeps) == (5.0, 1005.0, [3, -1])
    clock.jump_wall(-86_400)
    assert (clock.monotonic(), clock.time()) == (5.0, -85_395.0)
    assert repr(clock) == "FakeClock(monotonic=5.0, time=-85395.0)"
    with pytest.raises(ValueError, match="jump_wall"):
        clock.advance(-1)
