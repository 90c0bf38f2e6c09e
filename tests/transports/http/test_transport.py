"""HttpTransport: bytes on the wire, and reuse of connections (reliability table, rows 4 to 6 and 64)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest

from segops.core import (
    BATCH_PATH,
    Request,
    SegOpsTransportError,
)
from segops.transports.http import HttpTransport
from tests.rig.fault_server import (
    Call,
    Fault,
    FaultServer,
    cut,
    hang_up,
    raw,
    reset,
    respond,
)
from tests.rig.tls import TLS

SECRET = "sk_live_planted"
POST = Request("POST", BATCH_PATH, {"Authorization": f"ApiKey {SECRET}"}, b'{"events":[]}')
GET = Request("GET", "/api/segments/")
LONG = 60.0


Closing = Callable[[HttpTransport], HttpTransport]


def test_a_request_reaches_the_server_as_it_is(closing: Closing) -> None:
    with FaultServer(respond(202, b'{"queued": 2}', {"X-Thing": "a", "x-thing": "b"})) as server:
        response = closing(HttpTransport(server.url)).send(POST, timeout=LONG)
    assert (response.status, response.body, response.truncated) == (202, b'{"queued": 2}', False)
    assert response.headers["x-thing"] == "a, b"
    (received,) = server.journal
    assert (received.method, received.target, received.body) == ("POST", BATCH_PATH, POST.body)
    assert received.headers["authorization"] == f"ApiKey {SECRET}"
    assert received.headers["host"] == f"127.0.0.1:{server.port}"
    assert received.headers["user-agent"].startswith("segops-sdk-python/")
    assert received.headers["accept-encoding"] == "identity"


def test_the_callers_headers_win_over_the_defaults_but_not_over_the_framing(closing: Closing) -> None:
    request = Request("POST", "/api/x/", {"User-Agent": "mine", "Content-Length": "1"}, b"{}")
    with FaultServer() as server:
        closing(HttpTransport(server.url)).send(request, timeout=LONG)
    assert server.journal[0].headers["user-agent"] == "mine"
    assert server.journal[0].body == b"{}"


@pytest.mark.parametrize(
    "path", ["/api/users/../segments/", "/api/%2e%2e/%2F//x?a=%7e&b", "/api/./;p=1", "/api/users/a%2fb/"]
)
def test_a_path_reaches_the_wire_byte_for_byte(path: str, closing: Closing) -> None:
    """Row 64."""
    with FaultServer() as server:
        closing(HttpTransport(server.url)).send(Request("GET", path), timeout=LONG)
    assert server.journal[0].target == path


@pytest.mark.parametrize(
    ("end", "prefix"), [("", ""), ("/", ""), ("/api", ""), ("/api/", ""), ("/seg/ops/", "/seg/ops")]
)
def test_the_base_url_may_end_in_slashes_api_or_a_path(end: str, prefix: str, closing: Closing) -> None:
    with FaultServer() as server:
        transport = closing(HttpTransport(server.url + end))
        transport.send(GET, timeout=LONG)
    assert transport.url == server.url + prefix
    assert server.journal[0].target == prefix + GET.path
    assert "content-length" not in server.journal[0].headers


def test_large_bodies_arrive_whole_and_without_a_response_body(closing: Closing) -> None:
    with FaultServer(respond(204, b"")) as server:
        request = Request("POST", "/api/x/", {}, b"x" * 1_000_000)
        response = closing(HttpTransport(server.url)).send(request, timeout=LONG)
    assert response.status == 204
    assert len(server.journal[0].body) == 1_000_000


@pytest.mark.parametrize("status", [200, 400, 401, 404, 413, 429, 500, 503])
def test_no_status_raises(status: int, closing: Closing) -> None:
    with FaultServer(respond(status, b"<html>")) as server:
        response = closing(HttpTransport(server.url)).send(POST, timeout=LONG)
    assert (response.status, response.body) == (status, b"<html>")


# Connections


def test_a_connection_is_kept_for_the_next_request(closing: Closing) -> None:
    with FaultServer() as server:
        transport = closing(HttpTransport(server.url))
        for _ in range(3):
            transport.send(POST, timeout=LONG)
    assert [received.connection for received in server.journal] == [1, 1, 1]


def test_a_connection_that_the_server_announces_to_close_is_not_kept(closing: Closing) -> None:
    with FaultServer(respond(headers={"Connection": "close"})) as server:
        transport = closing(HttpTransport(server.url))
        for _ in range(2):
            transport.send(POST, timeout=LONG)
    assert [received.connection for received in server.journal] == [1, 2]


def test_a_connection_closed_while_idle_is_replaced(closing: Closing) -> None:
    """Row 5."""
    with FaultServer(respond(close=True)) as server:
        transport = closing(HttpTransport(server.url))
        transport.send(POST, timeout=LONG)
        time.sleep(0.05)
        assert transport.send(POST, timeout=LONG).status == 202
    assert [received.connection for received in server.journal] == [1, 2]


def test_bytes_that_nobody_asked_for_are_not_taken_for_a_response(closing: Closing) -> None:
    was_read, was_sent = threading.Event(), threading.Event()

    def respond_twice(call: Call) -> None:
        call.read()
        call.peer.send(raw())
        was_read.wait(LONG)
        call.peer.send(raw(408))  # as servers do before they close an idle connection
        was_sent.set()

    with FaultServer(respond_twice) as server:
        transport = closing(HttpTransport(server.url))
        transport.send(POST, timeout=LONG)
        was_read.set()
        assert was_sent.wait(LONG)
        time.sleep(0.05)  # from one socket to the other
        assert transport.send(POST, timeout=LONG).status == 202
        assert server.connections == 2


@pytest.mark.parametrize("secure", [False, True])
def test_bytes_after_a_response_are_not_taken_for_the_next(tls: TLS, closing: Closing, *, secure: bool) -> None:
    def respond_twice(call: Call) -> None:
        call.read()
        head, _, body = raw().partition(b"\r\n\r\n")
        call.peer.send(head + b"\r\n\r\n")
        call.peer.send(body + raw(500))  # one record of TLS, of which only the body is asked for

    with FaultServer(respond_twice, tls=tls.server() if secure else None) as server:
        transport = closing(HttpTransport(server.url, ca_file=tls.ca_file if secure else None))
        for _ in range(2):
            assert transport.send(POST, timeout=LONG).status == 202


@pytest.mark.parametrize("fault", [hang_up(), hang_up(read=False), reset(), reset(read=False)])
def test_a_kept_connection_that_fails_before_any_response_is_replaced_once(fault: Fault, closing: Closing) -> None:
    """Row 5."""
    with FaultServer(respond(), fault) as server:
        transport = closing(HttpTransport(server.url))
        transport.send(POST, timeout=LONG)
        assert transport.send(POST, timeout=LONG).status == 202
        assert server.connections == 2


@pytest.mark.parametrize("fault", [hang_up(), reset(), reset(read=False)])
def test_a_new_connection_that_fails_is_an_error(fault: Fault, closing: Closing) -> None:
    with FaultServer(fault) as server:
        with pytest.raises(SegOpsTransportError) as caught:
            closing(HttpTransport(server.url)).send(POST, timeout=LONG)
        assert server.connections == 1
    assert caught.value.__cause__ is not None
    assert SECRET not in str(caught.value)


def test_a_request_is_sent_again_only_once(closing: Closing) -> None:
    with FaultServer(respond(), reset(), reset()) as server:
        transport = closing(HttpTransport(server.url))
        transport.send(POST, timeout=LONG)
        with pytest.raises(SegOpsTransportError):
            transport.send(POST, timeout=LONG)
        assert server.connections == 2


@pytest.mark.parametrize("after", [1, 30, len(raw()) - 1])
def test_a_response_cut_short_is_an_error_and_not_sent_again(after: int, closing: Closing) -> None:
    """Row 6."""
    with FaultServer(respond(), cut(after)) as server:
        transport = closing(HttpTransport(server.url))
        transport.send(POST, timeout=LONG)
        with pytest.raises(SegOpsTransportError):
            transport.send(POST, timeout=LONG)
    assert len(server.journal) == 2


@pytest.mark.parametrize("reads_on", [True, False])
def test_a_response_that_comes_before_the_request_was_read_counts(closing: Closing, *, reads_on: bool) -> None:
    def refuse(call: Call) -> None:
        call.peer.send(raw(413, b"{}"))
        while reads_on and call.peer.sock.recv(65536):
            pass
        call.peer.close()  # with the request unread this is a reset

    with FaultServer(refuse) as server:
        transport = closing(HttpTransport(server.url))
        assert transport.send(Request("POST", "/api/x/", {}, b"x" * 5_000_000), timeout=LONG).status == 413
        transport.close()


def test_no_more_connections_are_kept_than_asked_for(closing: Closing) -> None:
    with FaultServer() as server:
        transport = closing(HttpTransport(server.url, pool_size=0))
        for _ in range(2):
            transport.send(POST, timeout=LONG)
    assert [received.connection for received in server.journal] == [1, 2]


def test_close_closes_and_a_later_send_opens_again(closing: Closing) -> None:
    with FaultServer() as server:
        transport = closing(HttpTransport(server.url))
        transport.send(POST, timeout=LONG)
        transport.close()
        transport.close()
        transport.send(POST, timeout=LONG)
    assert [received.connection for received in server.journal] == [1, 2]


def test_a_connection_that_is_in_use_during_close_is_not_kept(closing: Closing) -> None:
    def close_and_answer(call: Call) -> None:
        call.read()
        transport.close()
        call.peer.send(raw())

    with FaultServer(close_and_answer) as server:
        transport = closing(HttpTransport(server.url))
        for _ in range(3):
            assert transport.send(POST, timeout=LONG).status == 202
    assert [received.connection for received in server.journal] == [1, 2, 2]


def test_threads_share_a_transport(closing: Closing) -> None:
    with FaultServer() as server:
        transport = closing(HttpTransport(server.url))

        def send(number: int) -> None:
            for index in range(20):
                body = f"{number}-{index}".encode()
                transport.send(Request("POST", "/api/x/", {}, body), timeout=LONG)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(received.body for received in server.journal) == sorted(
        f"{number}-{index}".encode() for number in range(8) for index in range(20)
    )
    assert server.connections < 160


@pytest.mark.parametrize("secure", [False, True])
def test_a_child_opens_a_connection_and_leaves_the_parents_alone(tls: TLS, closing: Closing, *, secure: bool) -> None:
    with FaultServer(tls=tls.server() if secure else None) as server:
        transport = closing(HttpTransport(server.url, ca_file=tls.ca_file if secure else None))
        transport.send(POST, timeout=LONG)
        child = os.fork()
        if not child:
            status = 1
            try:
                status = 0 if transport.send(GET, timeout=LONG).status == 202 else 2
                transport.close()
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        transport.send(POST, timeout=LONG)
    assert [(received.method, received.connection) for received in server.journal] == [
        ("POST", 1),
        ("GET", 2),
        ("POST", 1),
    ]


def test_a_child_made_while_a_body_is_taken_does_not_keep_the_parents_connection(closing: Closing) -> None:
    with FaultServer() as server:
        transport = closing(HttpTransport(server.url))
        children: list[int] = []
        transport.stream(POST, lambda _: lambda _: children.append(os.fork()), timeout=LONG)
        if not children[0]:
            status = 1
            try:
                status = 0 if transport.send(GET, timeout=LONG).status == 202 else 2
            finally:
                os._exit(status)
        assert os.waitpid(children[0], 0)[1] == 0
        transport.send(POST, timeout=LONG)
    assert [received.connection for received in server.journal] == [1, 2, 1]
