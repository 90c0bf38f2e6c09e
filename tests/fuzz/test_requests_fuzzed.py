"""Arbitrary requests to the local SegOps: any method, path, headers and body, and bytes that are not HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH, Request
from segops.emulator import LocalSegOps, LocalServer

PATHS = [SINGLE_PATH, BATCH_PATH, SESSION_PATH, "/api/segments/", "/api/users/", "/api/webhooks/", "/"]


@pytest.fixture(scope="module")
def local() -> LocalSegOps:
    return LocalSegOps()


@pytest.fixture(scope="module")
def port(local: LocalSegOps) -> Iterator[int]:
    with LocalServer(local) as server:
        yield int(server.url.rpartition(":")[2])


paths = st.sampled_from(PATHS) | st.text() | st.tuples(st.sampled_from(PATHS), st.text()).map("".join)
headers = st.dictionaries(
    st.sampled_from(["content-type", "content-encoding", "idempotency-key", "origin", "x-forwarded-for"]) | st.text(),
    st.text(),
    max_size=4,
)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]) | st.text(),
    path=paths,
    more=headers,
    credential=st.sampled_from(["secret", "public", "none"]) | st.text(),
    body=st.binary(),
)
@example(method="POST", path=SINGLE_PATH, more={"content-encoding": "gzip"}, credential="secret", body=b"\x1f\x8b")
@example(method="GET", path="/api/segments/%ff%00/", more={}, credential="secret", body=b"")
@example(method="GET", path="/api/segments/?page=%ud800", more={}, credential="secret", body=b"")
@example(method="GET", path="/api/segments/?page=" + "9" * 5000, more={}, credential="secret", body=b"")
@example(method="POST", path=BATCH_PATH, more={}, credential="secret", body=b"[" * 100_000)
@example(method="POST", path=SESSION_PATH, more={"origin": "\ud800"}, credential="public", body=b"{}")
def test_any_request_has_an_answer_below_500(
    local: LocalSegOps, *, method: str, path: str, more: dict[str, str], credential: str, body: bytes
) -> None:
    known = {"secret": f"ApiKey {local.secret_key}", "public": f"ApiKey {local.public_key}", "none": ""}
    authorization = {"authorization": known.get(credential, credential)}
    response = local.handle(Request(method, path, {**more, **authorization}, body))
    assert 200 <= response.status < 500, response.body
    if response.body and response.headers.get("content-type") == "application/json":
        json.loads(response.body)


lines = st.from_regex(rb"[A-Z]{1,8} [!-~]{1,40} HTTP/\d\.\d", fullmatch=True) | st.binary(max_size=60)
fields = st.sampled_from(
    [
        b"Content-Length: 4",
        b"Content-Length: -4",
        b"Content-Length: 4, 4",
        b"Content-Length: " + b"9" * 30,
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Expect: 100-continue",
        b"Host",
        b" x: y",
    ]
) | st.binary(max_size=30)
malformed_requests = st.tuples(lines, st.lists(fields, max_size=5), st.binary(max_size=40)).map(
    lambda parts: b"\r\n".join([parts[0], *parts[1], b"", parts[2]])
)


@given(data=malformed_requests | st.binary(max_size=200))
@example(b"GET / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
@example(b"POST / HTTP/9.9\r\n\r\n")
@example(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
@example(b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n")
def test_any_bytes_leave_the_server_able_to_answer(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        try:
            while connection.recv(65_536):
                pass
        except ConnectionResetError:
            pass
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET /api/segments/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 401 ")
