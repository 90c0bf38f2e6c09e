"""HttpTransport against slow and hostile servers: reliability table, rows 1 to 8 and 17 to 20."""

from __future__ import annotations

import errno
import gzip
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from segops.core import (
    BATCH_PATH,
    Request,
    SegOpsTimeoutError,
    SegOpsTransportError,
)
from segops.transports.http import HttpTransport
from segops.transports.http.sockets import TimedSocket
from tests.rig.fault_server import (
    Call,
    Fault,
    FaultServer,
    cut,
    drip,
    drip_request_away,
    endless,
    endless_body,
    endless_headers,
    hold,
    raw,
    redirect,
    respond,
    stall,
)
from tests.rig.tls import TLS

SECRET = "sk_live_planted"
POST = Request("POST", BATCH_PATH, {"Authorization": f"ApiKey {SECRET}"}, b'{"events":[]}')
GET = Request("GET", "/api/segments/")
LONG = 60.0
SHORT = 1.2  # a handshake with a server that gets no processor for a while must fit in


Closing = Callable[[HttpTransport], HttpTransport]


def fails_in_time(transport: HttpTransport, request: Request = POST) -> SegOpsTimeoutError:
    started = time.monotonic()
    with pytest.raises(SegOpsTimeoutError) as caught:
        transport.send(request, timeout=SHORT)
    # Twenty seconds are generous to a busy machine, and still less than what any of these servers would take.
    assert time.monotonic() - started < SHORT + 20.0
    return caught.value


# Time


@pytest.mark.parametrize(
    "fault",
    [stall(), hold(), drip(), drip(headers=True), endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["stall", "hold", "drip body", "drip headers", "100 for ever"],
)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_the_deadline_covers_the_whole_exchange(fault: Fault, tls: TLS, closing: Closing, *, secure: bool) -> None:
    """Rows 3 and 8."""
    with FaultServer(fault, tls=tls.server() if secure else None) as server:
        transport = closing(HttpTransport(server.url, ca_file=tls.ca_file if secure else None))
        assert f"{SHORT} s" in str(fails_in_time(transport))
        assert transport.send(POST, timeout=LONG).status == 202  # on a new connection
        assert server.connections == 2


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_the_deadline_covers_sending(tls: TLS, closing: Closing, *, secure: bool) -> None:
    with FaultServer(drip_request_away(), tls=tls.server() if secure else None) as server:
        transport = closing(HttpTransport(server.url, ca_file=tls.ca_file if secure else None))
        fails_in_time(transport, Request("POST", "/api/x/", {}, b"x" * 20_000_000))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_the_deadline_covers_sending_on_a_kept_connection(tls: TLS, closing: Closing, *, secure: bool) -> None:
    with FaultServer(respond(), drip_request_away(), tls=tls.server() if secure else None) as server:
        transport = closing(HttpTransport(server.url, ca_file=tls.ca_file if secure else None))
        transport.send(POST, timeout=LONG)
        fails_in_time(transport, Request("POST", "/api/x/", {}, b"x" * 20_000_000))


def test_the_deadline_covers_a_slow_tunnel_and_the_handshake_in_it(tls: TLS, closing: Closing) -> None:
    def open_slowly(call: Call) -> None:
        call.read()
        call.server.stopping.wait(3.6)
        call.peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        call.peer.wait_until_gone(call.server.stopping)

    with FaultServer(open_slowly) as proxy:
        transport = closing(HttpTransport("https://segops.test", proxy=proxy.url, ca_file=tls.ca_file))
        started = time.monotonic()
        with pytest.raises(SegOpsTimeoutError):
            transport.send(POST, timeout=4.0)
        assert time.monotonic() - started < 7.5  # a deadline that restarts with the handshake would be at 7.6


def test_the_deadline_covers_the_tls_handshake(tls: TLS, closing: Closing) -> None:
    with FaultServer(stall()) as server:  # without TLS: it never responds to the hello
        url = server.url.replace("http:", "https:")
        fails_in_time(closing(HttpTransport(url, ca_file=tls.ca_file)))


def test_a_kept_connection_that_times_out_is_not_tried_again(closing: Closing) -> None:
    with FaultServer(respond(), hold()) as server:
        transport = closing(HttpTransport(server.url))
        transport.send(POST, timeout=LONG)
        fails_in_time(transport)
        assert server.connections == 1


def test_no_time_at_all_is_a_timeout(closing: Closing) -> None:
    with FaultServer() as server, pytest.raises(SegOpsTimeoutError):
        closing(HttpTransport(server.url)).send(POST, timeout=0)
    assert not server.journal


@pytest.fixture
def black_hole() -> Iterator[int]:
    """Give a port whose queue of connections is full: the next one's SYN is dropped."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.settimeout(0)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_server_that_does_not_accept_is_a_timeout(black_hole: int, closing: Closing) -> None:
    fails_in_time(closing(HttpTransport(f"http://127.0.0.1:{black_hole}")))


def test_an_address_that_does_not_response_leaves_time_for_the_next(
    black_hole: int, monkeypatch: pytest.MonkeyPatch, closing: Closing
) -> None:
    with FaultServer() as server:
        endpoints = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (black_hole, server.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: endpoints)
        assert closing(HttpTransport("http://segops.test", proxy="")).send(POST, timeout=5.0).status == 202


@pytest.mark.parametrize(
    ("family", "kind", "address"),
    [
        (9999, socket.SOCK_STREAM, ("127.0.0.1", 9)),  # EAFNOSUPPORT, as without IPv6
        (socket.AF_INET, 9999, ("127.0.0.1", 9)),  # EINVAL
        (socket.AF_INET, socket.SOCK_STREAM, ("255.255.255.255", 9)),  # EACCES or ENETUNREACH
    ],
)
def test_an_address_that_the_system_refuses_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, closing: Closing, family: int, kind: int, address: tuple[str, int]
) -> None:
    with FaultServer() as server:
        good = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(family, kind, 0, "", address), good])
        assert closing(HttpTransport(server.url)).send(GET, timeout=LONG).status == 202
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(family, kind, 0, "", address)])
        with pytest.raises(SegOpsTransportError):
            HttpTransport(server.url).send(GET, timeout=LONG)


@pytest.mark.parametrize(
    "error",
    [
        *[OSError(number, "refused") for number in (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EMFILE)],
        RuntimeError("operation not permitted by the audit hook"),
        ValueError("unknown address family"),
    ],
    ids=repr,
)
def test_the_next_address_is_tried_whatever_the_first_socket_raises(
    monkeypatch: pytest.MonkeyPatch, closing: Closing, error: Exception
) -> None:
    refusals: list[Exception | None] = []

    def refuse_once(event: str, args: tuple[object, ...]) -> None:
        if event == "socket.__new__" and not refusals and args[1] == socket.AF_INET6:
            refusals.append(error)
            raise error

    with FaultServer() as server:
        endpoints = [
            (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", server.port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: endpoints)
        sys.addaudithook(refuse_once)  # as a sandbox does
        try:
            assert closing(HttpTransport(server.url)).send(GET, timeout=LONG).status == 202
            assert refusals == [error]
        finally:
            refusals.append(None)  # it cannot be taken away again


def test_a_resolver_that_hangs_is_a_timeout(monkeypatch: pytest.MonkeyPatch, closing: Closing) -> None:
    """Row 1."""
    release = threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, port: int, **options: int) -> object:
        if "flags" not in options:
            release.wait(60)
        return real(host, port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    fails_in_time(closing(HttpTransport("http://localhost:1")))
    release.set()


@pytest.mark.parametrize("name", ["localhost", "nowhere.invalid"])
def test_a_host_is_looked_up_where_threads_cannot_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(SegOpsTransportError) as caught:
        HttpTransport(f"http://{name}:{port}").send(GET, timeout=LONG)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError if name == "localhost" else socket.gaierror)


# Refusals


def test_refused_and_unknown_hosts_are_errors() -> None:
    """Rows 1 and 2."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SegOpsTransportError, match="refused") as caught:
        HttpTransport(f"http://127.0.0.1:{port}").send(POST, timeout=LONG)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    with pytest.raises(SegOpsTransportError) as caught:
        HttpTransport("http://nowhere.invalid").send(POST, timeout=LONG)
    assert isinstance(caught.value.__cause__, socket.gaierror)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_response_and_never_followed(status: int, closing: Closing) -> None:
    """Row 17."""
    with FaultServer() as elsewhere, FaultServer(redirect(f"{elsewhere.url}/stolen/", status)) as server:
        response = closing(HttpTransport(server.url)).send(POST, timeout=LONG)
    assert response.status == status
    assert response.headers["location"] == f"{elsewhere.url}/stolen/"
    assert not elsewhere.journal
    assert elsewhere.connections == 0


@pytest.mark.parametrize("garbage", [b"\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 100_000])
def test_what_is_not_http_is_an_error(garbage: bytes, closing: Closing) -> None:
    with FaultServer(cut(len(garbage), garbage)) as server, pytest.raises(SegOpsTransportError):
        closing(HttpTransport(server.url)).send(POST, timeout=LONG)


# Size


def test_an_endless_body_is_cut(closing: Closing) -> None:
    """Row 19."""
    with FaultServer(endless_body()) as server:
        transport = closing(HttpTransport(server.url, max_response_bytes=100_000))
        response = transport.send(POST, timeout=LONG)
        assert (response.status, len(response.body), response.truncated) == (202, 100_000, True)
        assert transport.send(POST, timeout=LONG).truncated is False
        assert server.connections == 2


def test_endless_headers_are_an_error(closing: Closing) -> None:
    """Row 19."""
    with FaultServer(endless_headers()) as server, pytest.raises(SegOpsTransportError):
        closing(HttpTransport(server.url)).send(POST, timeout=LONG)


@pytest.mark.parametrize(("size", "truncated"), [(999, False), (1000, False), (1001, True)])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_limit_is_exact(size: int, closing: Closing, *, truncated: bool, chunked: bool) -> None:
    body = b"x" * size
    data = raw(body=body)
    if chunked:
        data = b"HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, body)
    with FaultServer(cut(len(data), data)) as server:
        transport = closing(HttpTransport(server.url, max_response_bytes=1000))
        response = transport.send(POST, timeout=LONG)
    assert (response.body, response.truncated) == (body[:1000], truncated)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)),
        ("X-GZIP", gzip.compress(b"hello", mtime=0)),
        ("deflate", zlib.compress(b"hello")),
    ],
)
def test_a_compressed_response_is_decompressed(encoding: str, packed: bytes, closing: Closing) -> None:
    with FaultServer(respond(200, packed, {"Content-Encoding": encoding})) as server:
        response = closing(HttpTransport(server.url)).send(GET, timeout=LONG)
    assert (response.body, response.truncated) == (b"hello", False)


def test_a_gzip_bomb_is_cut(closing: Closing) -> None:
    """Row 18."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b"\0" * 2**20) for _ in range(200)) + packer.flush()
    with FaultServer(respond(200, bomb, {"Content-Encoding": "gzip"})) as server:
        response = closing(HttpTransport(server.url)).send(GET, timeout=LONG)
    assert (len(response.body), response.truncated) == (2**20, True)


def test_a_broken_compressed_response_keeps_its_status(closing: Closing) -> None:
    with FaultServer(respond(202, b"not gzip", {"Content-Encoding": "gzip"})) as server:
        response = closing(HttpTransport(server.url)).send(POST, timeout=LONG)
    assert (response.status, response.truncated) == (202, True)


def test_urllib3_connects_with_our_sockets(closing: Closing) -> None:
    """urllib3 still calls the private method of its connections that sockets.py overrides."""
    with FaultServer() as server:
        transport = closing(HttpTransport(server.url))
        transport.send(GET, timeout=LONG)
        connection = transport._pool.take()
        assert connection is not None
        assert isinstance(connection.sock, TimedSocket)
        connection.close()
