"""Framing of responses, and bytes that are not a response: RFC 9112, sections 4 to 7, as urllib3 reads it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence

import pytest

from segops.core import Request, Response, SegOpsTransportError
from segops.transports.http import HttpTransport
from tests.rig.fault_server import Call, Fault, FaultServer, cut

Closing = Callable[[HttpTransport], HttpTransport]

GET = Request("GET", "/api/segments/")
LONG = 60.0
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"


def closes_after(data: bytes) -> Fault:
    """Send `data` and close the connection."""
    return cut(len(data), data)


def keeps_open_after(*pieces: bytes) -> Fault:
    """Send `data` piece by piece and serve the next request."""

    def send(call: Call) -> None:
        call.read()
        for piece in pieces:
            call.peer.send(piece)
            time.sleep(0.001 if len(pieces) > 1 else 0)

    return send


def read(transport: HttpTransport, method: str = "GET") -> Response:
    return transport.send(Request(method, "/api/segments/"), timeout=LONG)


@pytest.mark.parametrize(
    ("lines", "headers"),
    [
        (b"A: 1\r\nB:\r\na: 2\r\n", {"a": "1, 2", "b": ""}),
        (b"CONTENT-TYPE:x\r\n", {"content-type": "x"}),
    ],
)
def test_header_names_are_lower_case_and_values_joined(lines: bytes, headers: dict[str, str], closing: Closing) -> None:
    with FaultServer(keeps_open_after(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\n{}")) as server:
        response = read(closing(HttpTransport(server.url)))
    assert response == Response(200, {**headers, "content-length": "2"}, b"{}")


def test_100_continue_is_passed_over(closing: Closing) -> None:
    with FaultServer(keeps_open_after(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")) as server:
        assert read(closing(HttpTransport(server.url))) == Response(204)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("header", [b"Content-Length: 2", b"Content-Encoding: gzip"])
def test_some_responses_have_no_body_whatever_their_headers_say(
    method: str, status: int, header: bytes, closing: Closing
) -> None:
    with FaultServer(keeps_open_after(b"HTTP/1.1 %d OK\r\n%s\r\n\r\n" % (status, header))) as server:
        transport = closing(HttpTransport(server.url))
        response = read(transport, method)
        assert (response.status, response.body) == (status, b"")
        assert read(transport).status == 202


@pytest.mark.parametrize(
    "data",
    [
        b"1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"1.0 200 OK\r\nConnection: close, keep-alive\r\nContent-Length: 2\r\n\r\n{}",
        b"1.1 200 OK\r\n\r\n{}",
    ],
    ids=["close", "1.0", "1.0 close and keep-alive", "no length"],
)
def test_a_connection_is_not_kept_where_the_response_ends_with_it(data: bytes, closing: Closing) -> None:
    with FaultServer(closes_after(b"HTTP/" + data)) as server:
        transport = closing(HttpTransport(server.url))
        assert read(transport).body == b"{}"
        assert read(transport).status == 202
        assert server.connections == 2


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"1" * 65536 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
    ],
    ids=["ssh", "99", "no status", "101 headers", "long line", "cut in the headers", "two lengths", "cut in the body"],
)
def test_what_is_not_a_response_is_an_error(data: bytes, closing: Closing) -> None:
    with FaultServer(closes_after(data)) as server:
        transport = closing(HttpTransport(server.url))
        with pytest.raises(SegOpsTransportError, match=r"^GET /api/segments/ failed: .+ \(http://127.0.0.1:\d+\)$"):
            read(transport)
        assert read(transport).status == 202


@pytest.mark.parametrize("head", [b"", CHUNKED, CHUNKED + b"2\r\n{}\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: "])
@pytest.mark.parametrize(
    "data",
    [
        b"ada@example.org is not a user\r\n\r\n",
        b"HTTP/1.1 OK ada@example.org\r\n\r\n",
        b"HTTP/ada@example.org 200 OK\r\n\r\n",
        b"SSH-2.0-ada@example.org\r\n\r\n",
        b"\xff\xfeada@example.org\r\n\r\n",
        b"ada@example.org" * 9999,
    ],
    ids=["text", "no status", "version", "ssh", "binary", "endless"],
)
def test_row_67_what_a_server_says_in_place_of_http_is_not_repeated(head: bytes, data: bytes, closing: Closing) -> None:
    """Neither in the message nor in a traceback, which a log may hold."""
    with FaultServer(closes_after(head + data)) as server:
        try:
            read(closing(HttpTransport(server.url)))
        except SegOpsTransportError as error:
            shown = "".join(traceback.format_exception(error))
            assert "ada" not in shown
            assert "example" not in shown
        else:
            assert b"Length" in head, "a length that is none counts as absent"


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (b'1;a="b"\r\n{\r\n001\r\n}\r\n0\r\nDigest: x\r\n\r\n', b"{}"),
        (b"A\r\n0123456789\r\n0\r\n", b"0123456789"),  # some servers close in the place of the trailer
    ],
)
def test_chunks_are_joined(chunks: bytes, body: bytes, closing: Closing) -> None:
    with FaultServer(closes_after(CHUNKED + chunks)) as server:
        assert read(closing(HttpTransport(server.url))) == Response(200, {"transfer-encoding": "Chunked"}, body)


@pytest.mark.parametrize(
    "chunks",
    [b"x\r\n{}\r\n0\r\n\r\n", b"\r\n{}\r\n", b"5\r\n{}", b"f" * 16 + b"\r\n{}", b"2\r\n{}\r\n", b"-1\r\n{}"],
)
def test_bad_chunks_are_an_error(chunks: bytes, closing: Closing) -> None:
    with FaultServer(closes_after(CHUNKED + chunks)) as server, pytest.raises(SegOpsTransportError):
        read(closing(HttpTransport(server.url)))


def test_an_absurd_length_does_not_hide_the_body(closing: Closing) -> None:
    with FaultServer(closes_after(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}")) as server:
        assert read(closing(HttpTransport(server.url))).body == b"{}"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        CHUNKED + b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nB: 1\r\n\r\n",
    ],
    ids=["length", "chunks"],
)
def test_how_a_response_is_split_does_not_matter(data: bytes, size: int, closing: Closing) -> None:
    pieces: Sequence[bytes] = [data[start : start + size] for start in range(0, len(data), size)]
    with FaultServer(keeps_open_after(*pieces)) as server:
        transport = closing(HttpTransport(server.url))
        assert read(transport).body == b"hello"
        assert read(transport).status == 202
        assert server.connections == 1
