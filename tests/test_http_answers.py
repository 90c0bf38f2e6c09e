"""The heads of answers: what they say is read as the standard library reads it (RFC 9112)."""

from __future__ import annotations

import itertools
import socket
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segops.core import Response
from segops.transports.http.answers import Answer, read_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from _typeshed import WriteableBuffer

LIMIT = 1000


class Dripping(socket.socket):
    """A socket that receives a few bytes at a time."""

    sizes: Iterator[int] = itertools.repeat(65536)

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        return super().recv_into(buffer, min(nbytes or memoryview(buffer).nbytes, next(self.sizes)), flags)


def read(data: bytes, method: str = "POST", sizes: Sequence[int] = (65536,)) -> tuple[Response, bool]:
    """Return what is read from a connection on which `data` comes, and whether it may be used again."""
    server, plain = socket.socketpair()
    client = Dripping(fileno=plain.detach())
    client.sizes = itertools.cycle(sizes)
    client.settimeout(5.0)
    with server, client:
        server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        answer = Answer(client, method)
        return read_answer(answer, LIMIT), answer.is_reusable


def read_by_the_library(data: bytes, method: str = "POST") -> tuple[Response, bool]:
    server, client = socket.socketpair()
    client.settimeout(5.0)
    with server, client:
        server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        answer = HTTPResponse(client, method=method)
        answer.begin()
        body = answer.read()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status, headers, body), not answer.will_close


@pytest.mark.parametrize("method", ["POST", "HEAD"])
@pytest.mark.parametrize("status", [b"HTTP/1.1 202 Accepted", b"HTTP/1.1 204 ", b"HTTP/1.0 200 OK", b"HTTP/1.1 304"])
@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Content-Length: 2\r\n",
        b"Content-Length: 2\nServer:x\n",
        b"CONTENT-LENGTH:2\r\nX: \xe9, \t b\r\n",
        b"Content-Length: 0000000000000000000000002\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: two\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Content-Length: 2\r\nConnection: close\r\n",
        b"Content-Length: 2\r\nConnection: Keep-Alive\r\n",
    ],
)
def test_an_answer_means_what_it_means_to_the_library(method: str, status: bytes, headers: bytes) -> None:
    is_empty = method == "HEAD" or b"204" in status or b"304" in status
    data = status + b"\r\n" + headers + b"\r\n" + (b"" if is_empty else b"{}")
    assert read(data, method) == read_by_the_library(data, method)


@pytest.mark.parametrize(
    ("lines", "headers"),
    [
        (b"A: 1\r\n 2\r\n\t3\r\n", {"a": "1 2 3"}),
        (b" before all\r\nA: 1\r\n", {"a": "1"}),
        (b"no colon\r\n more of it\r\nA: 1\r\n", {"a": "1"}),
        (b": no name\r\nA: 1\r\n", {"a": "1"}),
        (b"A : 1\r\n", {"a": "1"}),
        (b"A: 1\r\nB:\r\na: 2\r\n", {"a": "1, 2", "b": ""}),
        (b"A:\r\n 1\r\n \r\n", {"a": "1"}),
        (b"A: 1\rContent-Length: 1\r\n", {"a": "1\rContent-Length: 1"}),
        (b"\xa0Content-Length: 1\r\n", {"\xa0content-length": "1"}),
    ],
)
def test_odd_headers_do_not_hide_the_others(lines: bytes, headers: dict[str, str]) -> None:
    response, is_usable = read(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\n{}")
    assert response == Response(200, {**headers, "content-length": "2"}, b"{}")
    assert is_usable


def test_provisional_answers_are_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    response, is_usable = read(b"HTTP/1.1 100 Continue\r\n\r\n" + early + b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (response, is_usable) == (Response(204), True)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("header", [b"Transfer-Encoding: chunked", b"Content-Length: 2", b"Content-Encoding: gzip"])
def test_some_answers_have_no_body_whatever_their_headers_say(method: str, status: int, header: bytes) -> None:
    response, is_usable = read(b"HTTP/1.1 %d OK\r\n%s\r\n\r\n" % (status, header), method)
    assert (response.status, response.body, is_usable) == (status, b"", True)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}H", b"{}"),
        (b"1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n\r\n", b"{}"),
        (b"1.1 204 OK\r\n\r\n{}", b""),
        (b"1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 1\r\n\r\n{}", b"{}"),
        (b"1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (b"1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (b"1.0 200 OK\r\nConnection: close, keep-alive\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (b"1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
    ],
    ids=[
        "more",
        "more chunks",
        "more than nothing",
        "two lengths",
        "length and chunks",
        "other coding",
        "closed and kept",
        "old",
    ],
)
def test_a_connection_is_not_kept_where_the_end_of_the_body_is_in_doubt(data: bytes, body: bytes) -> None:
    response, is_usable = read(b"HTTP/" + data)
    assert (response.body, is_usable) == (body, False)


def test_the_body_of_an_answer_to_head_is_no_answer_to_the_next_request() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HEAD") == (
        Response(200, {"content-length": "2"}),
        False,
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"HTTP/2 200 OK\r\n\r\n", "no HTTP/1"),
        (b"HTTP/1.1 99 OK\r\n\r\n", "no HTTP/1"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no HTTP/1"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "begins with b'SSH-2.0-OpenSSH"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 101 + b"\r\n", "more than 100 headers"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"1" * 65536 + b"\r\n\r\n", "more than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "in the middle of the answer"),
    ],
)
def test_what_is_no_answer_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises((HTTPException, ConnectionError), match=message):
        read(data)


@pytest.mark.parametrize(
    "data",
    [b"ada@example.org is no user\r\n\r\n", b"HTTP/1.1 OK ada@example.org\r\n\r\n", b"SSH-2.0-ada@example.org\r\n"],
)
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_row_67_what_a_server_says_in_place_of_http_is_not_repeated(data: bytes, head: bytes) -> None:
    with pytest.raises(HTTPException, match="begins with") as caught:
        read(head + data)
    assert "ada" not in str(caught.value)
    assert "example" not in str(caught.value)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    extension=st.sampled_from([b"", b";a=b", b' ; a="b"', b";"]),
    form=st.sampled_from([b"%x", b"%X", b"00%x"]),
    trailer=st.sampled_from([b"", b"Digest: x\r\n", b"A: 1\r\nB: 2\n"]),
)
def test_chunks_are_joined_as_the_library_joins_them(
    pieces: list[bytes], extension: bytes, form: bytes, trailer: bytes
) -> None:
    chunks = b"".join(form % len(piece) + extension + b"\r\n" + piece + b"\r\n" for piece in pieces)
    data = CHUNKED + chunks + b"0\r\n" + trailer + b"\r\n"
    assert (
        read(data)
        == read_by_the_library(data)
        == (Response(200, {"transfer-encoding": "Chunked"}, b"".join(pieces)), True)
    )


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        (b"-1\r\n", "begins with b'-1.*, which is no size"),
        (b"0x2\r\n{}\r\n0\r\n\r\n", "which is no size"),
        (b"\r\n{}\r\n", "which is no size"),
        (b"f" * 17 + b"\r\n", "which is no size"),
        (b"2\r\n{}}\r\n0\r\n\r\n", "longer than it says"),
        (b"5\r\n{}", "3 more expected"),
        (b"f" * 16 + b"\r\n{}", "more expected"),
        (b"2\r\n{}\r\n", "in the middle of the answer"),
        (b"0\r\n" + b"A: 1\r\n" * 101, "more than 100 headers"),
    ],
)
def test_chunks_that_are_none_are_an_error(chunks: bytes, message: str) -> None:
    with pytest.raises((HTTPException, ConnectionError), match=message):
        read(CHUNKED + chunks)


@pytest.mark.parametrize("trailer", [b"", b"A: 1\r\n", b"A: "])
def test_a_body_is_whole_though_the_connection_is_closed_before_the_end_of_the_trailer(trailer: bytes) -> None:
    data = CHUNKED + b"2\r\n{}\r\n0\r\n" + trailer
    assert read(data) == read_by_the_library(data) == (Response(200, {"transfer-encoding": "Chunked"}, b"{}"), True)


def test_an_absurd_length_is_never_reached() -> None:
    with pytest.raises(HTTPException, match="more expected"):
        read(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}")


@given(
    data=st.sampled_from(
        [
            b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nContent-Length: 5\r\n\r\nhello",
            CHUNKED + b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nB: 1\r\n\r\n",
            b"HTTP/1.0 200 OK\n\nhello",
        ]
    ),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8),
)
def test_it_does_not_matter_how_an_answer_is_split(data: bytes, sizes: list[int]) -> None:
    response, is_usable = read(data, sizes=sizes)
    assert (response, is_usable) == read(data)
    assert response.body == b"hello"
