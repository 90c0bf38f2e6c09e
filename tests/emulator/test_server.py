"""The local SegOps over HTTP: connections, malformed requests, and closing."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from segops.core import BATCH_PATH, SINGLE_PATH, Request, Response, SegOpsConfigError
from segops.emulator import LocalSegOps, LocalServer
from tests.emulator.api_client import Api
from tests.emulator.local_service import event
from tests.rig.programs import unmeasured


@pytest.fixture
def server(segops: LocalSegOps) -> Iterator[LocalServer]:
    with LocalServer(segops) as running:
        yield running


def connect(server: LocalServer) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def converse(server: LocalServer, sent: bytes) -> bytes:
    """Send raw bytes and return all that comes back until the server closes."""
    with closing(connect(server)) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def post(segops: LocalSegOps, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"POST {SINGLE_PATH} HTTP/1.1", "Host: x", f"Authorization: ApiKey {segops.secret_key}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


BODY = json.dumps(event()).encode()


def test_one_connection_serves_many_requests(segops: LocalSegOps, server: LocalServer) -> None:
    headers = {"Authorization": f"ApiKey {segops.secret_key}"}
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)) as connection:
        connection.connect()
        first = connection.sock
        for _ in range(100):
            connection.request("POST", SINGLE_PATH, BODY, headers)
            response = connection.getresponse()
            assert (response.status, response.getheader("connection")) == (202, None)
            assert response.getheader("date")
            response.read()
        assert connection.sock is first
    assert segops.summary().events == 100


def test_many_connections_are_served_at_once(segops: LocalSegOps, server: LocalServer) -> None:
    idle = [connect(server) for _ in range(20)]
    assert b" 202 Accepted\r\n" in converse(server, post(segops, f"Content-Length: {len(BODY)}", body=BODY))
    for each in idle:
        each.close()


def test_requests_may_follow_each_other_without_waiting(segops: LocalSegOps, server: LocalServer) -> None:
    one = post(segops, f"Content-Length: {len(BODY)}", body=BODY)
    assert converse(server, one * 3).count(b"HTTP/1.1 202 Accepted\r\n") == 3


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Content-Length: abc"], 400),
        (["Content-Length: -5"], 400),
        (["Content-Length: +5"], 400),
        (["Content-Length: 1_0"], 400),
        (["Content-Length: ²"], 400),
        (["Content-Length:"], 400),
        (["Content-Length: 5", "Content-Length: 6"], 400),
        (["Content-Length: " + "9" * 30], 400),
        (["Content-Length: 1000"], 400),
        (["Content-Length: 9999999999"], 413),
        (["Transfer-Encoding: chunked"], 411),
        (["Content-Length: 2", "Transfer-Encoding: chunked"], 411),
    ],
)
def test_a_body_of_unclear_length_ends_the_connection(
    segops: LocalSegOps, server: LocalServer, headers: list[str], status: int
) -> None:
    response = converse(server, post(segops, *headers, body=b"{}"))
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\nconnection: close" in head
    assert list(json.loads(body)) == ["detail"]
    assert segops.summary().events == 0


def test_no_length_means_no_body(segops: LocalSegOps, server: LocalServer) -> None:
    assert converse(server, post(segops)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 505),
        (b"BREW /pot HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET http://elsewhere/api/ HTTP/1.1\r\n\r\n", 404),
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404),
    ],
)
def test_a_broken_request_gets_json(server: LocalServer, sent: bytes, status: int) -> None:
    head, _, body = converse(server, sent).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert list(json.loads(body)) == ["detail"]


def test_a_head_request_gets_no_body(server: LocalServer) -> None:
    head, _, body = converse(server, f"HEAD {SINGLE_PATH} HTTP/1.1\r\n\r\n".encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert body == b""


def test_an_old_client_gets_a_response_and_is_closed(server: LocalServer) -> None:
    with closing(connect(server)) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        response = b"".join(iter(lambda: client.recv(65_536), b""))
    assert response.startswith(b"HTTP/1.1 404 ")


def test_a_client_that_goes_away_does_no_harm(segops: LocalSegOps, server: LocalServer) -> None:
    for _ in range(5):
        client = connect(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        client.sendall(post(segops, f"Content-Length: {len(BODY)}", body=BODY[:-1]))
        client.close()
    assert b" 202 " in converse(server, post(segops, f"Content-Length: {len(BODY)}", body=BODY))
    assert segops.summary().events == 1


class BrokenSegOps(LocalSegOps):
    def handle(self, request: Request) -> Response:
        raise LookupError(f"a fault of ours on {request.path}")


def test_a_fault_of_ours_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    segops = BrokenSegOps()
    with caplog.at_level(logging.ERROR, "segops.emulator"), LocalServer(segops) as server:
        response = converse(server, post(segops, "Content-Length: 0") * 2)
    assert response.count(b"HTTP/1.1 500 Internal Server Error\r\n") == 2
    assert b"LookupError" not in response
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


class UnencodableSegOps(LocalSegOps):
    def handle(self, request: Request) -> Response:
        return Response(200, {"x": "\N{SNOWMAN}"}, request.body)


def test_a_bug_in_a_handler_costs_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    segops = UnencodableSegOps()
    with caplog.at_level(logging.ERROR, "segops.emulator"), LocalServer(segops) as server:
        assert converse(server, post(segops)) == b""
        assert converse(server, b"BREW / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 501 ")
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_closing_ends_open_connections_and_the_port(segops: LocalSegOps) -> None:
    before = set(threading.enumerate())
    server = LocalServer(segops).start().start()
    idle = [connect(server) for _ in range(3)]
    assert b" 404 " in converse(server, b"GET / HTTP/1.1\r\n\r\n")
    server.close()
    assert [client.recv(1) for client in idle] == [b"", b"", b""]
    for client in idle:
        client.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        connect(server)
    server.close()


def test_a_server_that_never_started_can_be_closed(segops: LocalSegOps) -> None:
    server = LocalServer(segops)
    assert repr(server) == f"LocalServer({server.url!r})"
    server.close()


def test_a_port_in_use_is_rejected(segops: LocalSegOps, server: LocalServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(SegOpsConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
        LocalServer(segops, port=port)
    with pytest.raises(SegOpsConfigError, match="70000"):
        LocalServer(segops, port=70_000)


def test_a_hundred_threads_are_served(segops: LocalSegOps, server: LocalServer) -> None:
    body = json.dumps({"events": [event(n) for n in range(10)]}).encode()
    responses: list[bytes] = []

    def send() -> None:
        head = post(segops, f"Content-Length: {len(body)}").replace(SINGLE_PATH.encode(), BATCH_PATH.encode())
        responses.append(converse(server, head + body))

    threads = [threading.Thread(target=send) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(b" 202 Accepted" in response for response in responses) == 100
    assert segops.summary().events == 1000


@pytest.mark.parametrize("status", [418, 420, 450, 499, 599])
def test_a_scripted_status_needs_no_name(both: Api, status: int) -> None:
    both.segops.faults.add(f"* * {status}")
    assert both.status("GET", "/segments/")[0] == status


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(command, env=unmeasured(), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "kind", ["from segops.emulator import LocalServer", "from segops.devserver.server import DevServer as LocalServer"]
)
@pytest.mark.parametrize("is_started", [True, False])
def test_a_destructor_at_exit_neither_starts_nor_awaits_a_thread(kind: str, *, is_started: bool) -> None:
    """Before Python 3.12 a thread that is started then never runs, and `start` waits for it forever."""
    done = run(
        f"""
        from segops.emulator import LocalSegOps
        {kind}
        class Application:
            def __init__(self):
                self.server = LocalServer(LocalSegOps())
                if {is_started}:
                    self.server.__enter__()
            def __del__(self):
                try:
                    if not {is_started}:
                        self.server.__enter__()
                except RuntimeError as error:
                    print(type(error).__name__)
                self.server.close()
                print("closed")
        application = Application()
        """
    )
    assert done.stdout.splitlines() == [*([] if is_started else ["RuntimeError"]), "closed"], done.stderr


def test_a_forked_child_leaves_the_server_to_its_parent() -> None:
    done = run(
        """
        import os
        from segops import SegOpsClient
        from segops.emulator import LocalSegOps, LocalServer
        with LocalSegOps() as local, LocalServer(local) as server:
            client = SegOpsClient(server.url, local.secret_key)
            client.track(user_id="u-1", event_type="a_b")
            client.flush(10)
            child = os.fork()
            if child:
                os.waitpid(child, 0)
                client.track(user_id="u-1", event_type="a_b")
                print(client.flush(10), client.stats().delivered)
        """
    )
    assert done.stdout == "True 2\n", done.stderr
