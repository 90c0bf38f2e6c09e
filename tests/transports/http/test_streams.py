"""HttpTransport.stream: bodies of any size, passed on as they arrive."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import pytest

from segops.core import Request, Response, SegOpsTimeoutError, SegOpsTransportError
from segops.transports.http import HttpTransport
from segops.transports.memory import MemoryTransport
from tests.rig.fault_server import Call, Fault, FaultServer, cut, drip, endless_body, hold, raw, respond

Closing = Callable[[HttpTransport], HttpTransport]

GET = Request("GET", "/api/segments/exports/1/download/")
LONG = 60.0
CONTENT = os.urandom(4096) * 512
GZIP = {"Content-Encoding": "gzip"}
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def stream(transport: HttpTransport, **options: Any) -> tuple[Response, list[Response], list[bytes]]:
    heads: list[Response] = []
    pieces: list[bytes] = []

    def accept(head: Response) -> Callable[[bytes], object]:
        heads.append(head)
        return pieces.append

    return transport.stream(GET, accept, **{"timeout": LONG, **options}), heads, pieces


def test_a_body_larger_than_the_limit_comes_in_pieces_and_the_connection_is_kept(closing: Closing) -> None:
    with FaultServer(respond(200, CONTENT), respond(200, b"x"), respond(200, b"")) as server:
        transport = closing(HttpTransport(server.url, max_response_bytes=1000))
        response, heads, pieces = stream(transport)
        assert b"".join(pieces) == CONTENT
        assert max(map(len, pieces)) <= 65536
        assert response == heads[0]
        assert (response.status, response.body, response.truncated) == (200, b"", False)
        assert response.headers["content-length"] == str(len(CONTENT))
        assert stream(transport)[2] == [b"x"]
        assert stream(transport)[2] == []
    assert server.connections == 1


def test_a_body_that_nobody_wants_is_in_the_response(closing: Closing) -> None:
    with FaultServer(respond(404, b"why")) as server:
        response = closing(HttpTransport(server.url)).stream(GET, lambda _: None, timeout=LONG)
    assert (response.status, response.body) == (404, b"why")


def test_a_chunked_body(closing: Closing) -> None:
    with FaultServer(cut(len(CHUNKED), CHUNKED)) as server:
        assert b"".join(stream(closing(HttpTransport(server.url)))[2]) == b"hello"


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
def test_a_compressed_body_is_inflated(closing: Closing, size: int) -> None:
    with FaultServer(respond(200, gzip.compress(b"a" * size), GZIP)) as server:
        pieces = stream(closing(HttpTransport(server.url)))[2]
    assert b"".join(pieces) == b"a" * size
    assert all(len(piece) <= 65536 for piece in pieces)


def test_all_members_of_a_compressed_body_are_inflated(closing: Closing) -> None:
    members = gzip.compress(CONTENT) + gzip.compress(b"") + gzip.compress(b"more")
    with FaultServer(
        respond(200, members, GZIP), respond(200, gzip.compress(b"a") + gzip.compress(b"b"), GZIP)
    ) as server:
        transport = closing(HttpTransport(server.url))
        assert b"".join(stream(transport)[2]) == CONTENT + b"more"
        assert transport.send(GET, timeout=LONG).body == b"ab"


@pytest.mark.parametrize(
    "fault", [respond(200, b"", GZIP), cut(1000, b"HTTP/1.1 204 None\r\nContent-Encoding: gzip\r\n\r\n")]
)
def test_no_body_is_no_compressed_body_cut_short(closing: Closing, fault: Fault) -> None:
    with FaultServer(fault) as server:
        assert stream(closing(HttpTransport(server.url)))[2] == []


@pytest.mark.parametrize(
    "fault",
    [
        cut(1000, raw(200, CONTENT)),
        cut(len(CHUNKED) - 8, CHUNKED),
        respond(200, b"not compressed", GZIP),
    ],
)
def test_a_body_that_ends_early_is_an_error(closing: Closing, fault: Any) -> None:
    with FaultServer(fault) as server, pytest.raises(SegOpsTransportError, match="failed"):
        stream(closing(HttpTransport(server.url)))


@pytest.mark.parametrize(("fault", "options"), [(hold(), {"idle": 0.2}), (drip(), {"timeout": 0.3, "idle": 5})])
def test_silence_and_slowness_both_end(closing: Closing, fault: Any, options: dict[str, float]) -> None:
    started = time.monotonic()
    with FaultServer(fault) as server, pytest.raises(SegOpsTimeoutError):
        stream(closing(HttpTransport(server.url)), **options)
    assert time.monotonic() - started < LONG


@pytest.mark.parametrize("after", [9, 20, CHUNKED.index(b"5") + 1, -13, -9, -2])
def test_silence_in_any_part_of_a_response_ends(closing: Closing, after: int) -> None:
    def fall_silent(call: Call) -> None:
        call.read()
        call.peer.send(CHUNKED[:after])
        call.peer.wait_until_gone(call.server.stopping)

    with FaultServer(fall_silent) as server:
        transport = closing(HttpTransport(server.url))
        with pytest.raises(SegOpsTimeoutError):
            stream(transport, idle=0.1)
        assert transport.send(GET, timeout=LONG).status == 202
    assert server.connections == 2


def test_a_slow_body_is_not_silent(closing: Closing) -> None:
    content = b"x" * 20
    with FaultServer() as server:

        def slow(call: Call) -> None:
            call.read()
            call.peer.send(raw(200, content)[: -len(content)])
            call.drip(content, 0.2)

        server.add(slow)
        assert b"".join(stream(closing(HttpTransport(server.url)), idle=3.0)[2]) == content


@pytest.mark.parametrize(
    "error", [OSError(28, "disk full"), TimeoutError("mine"), HTTPException("mine"), ValueError("x")]
)
def test_what_the_receiver_raises_is_no_failure_of_the_server(closing: Closing, error: Exception) -> None:
    def refuse(_: object) -> None:
        raise error

    with FaultServer(respond(200, b"x"), endless_body()) as server:
        transport = closing(HttpTransport(server.url))
        for accept in (refuse, lambda _: refuse):
            with pytest.raises(type(error)) as caught:
                transport.stream(GET, accept, timeout=LONG)
            assert caught.value is error
    assert len(server.journal) == 2


def test_a_request_made_while_a_body_is_taken_has_a_deadline_of_its_own(closing: Closing) -> None:
    timeouts: list[SegOpsTimeoutError] = []
    pieces: list[bytes] = []
    with FaultServer(respond(200, b"x" * 200_000), hold()) as server:
        transport = closing(HttpTransport(server.url))

        def take(piece: bytes) -> None:
            pieces.append(piece)
            if not timeouts:
                with pytest.raises(SegOpsTimeoutError) as caught:
                    transport.send(GET, timeout=0.2)
                timeouts.append(caught.value)

        transport.stream(GET, lambda _: take, timeout=LONG)
    assert timeouts
    assert len(pieces) > 1
    assert sum(map(len, pieces)) == 200_000


def test_a_receiver_that_takes_its_time_is_no_silence_of_the_server(closing: Closing) -> None:
    pieces: list[bytes] = []

    def take(piece: bytes) -> None:
        pieces.append(piece)
        time.sleep(0.6 if len(pieces) == 1 else 0)

    with FaultServer(respond(200, CONTENT)) as server:
        closing(HttpTransport(server.url)).stream(GET, lambda _: take, timeout=LONG, idle=0.5)
    assert b"".join(pieces) == CONTENT


def test_other_transports_hand_the_body_on_in_one_piece() -> None:
    whole, cut_short = Response(200, {"a": "b"}, b"body"), Response(200, {}, b"bo", truncated=True)
    transport = MemoryTransport(whole, whole, cut_short)
    pieces: list[bytes] = []
    assert transport.stream(GET, lambda _: pieces.append, timeout=LONG, idle=1) == Response(200, {"a": "b"})
    assert pieces == [b"body"]
    assert transport.stream(GET, lambda _: None, timeout=LONG) == whole
    with pytest.raises(SegOpsTransportError, match="too large for this transport"):
        transport.stream(GET, lambda _: pieces.append, timeout=LONG)
