"""The server responds to every connection as documented or closes it, and keeps running."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack

import pytest

from segops.core import BATCH_PATH, SINGLE_PATH
from tests.emulator.served import Reply, Served, must_reject, split_responses

EVENT = json.dumps({"user_id": "u", "event_type": "e"}).encode()
CLOSE = "Connection: close"


def must_reject_all(data: bytes, *statuses: int) -> None:
    """Check that there is a response, and that each is a refusal."""
    responses = split_responses(data)
    assert responses
    for status, body in responses:
        must_reject(Reply(status, {"content-type": "application/json"}, body), *statuses)
    assert data.count(b"content-type: application/json") == len(responses)


TRICKS = [
    *("//api/segments/", "/api//segments/", "/api/segments//", "///", "/api/./segments/", "/api/../api/segments/"),
    *("/api/%2e%2e/api/segments/", "/api/segments/1/../../segments/", "/api/segments/%2e%2e/", "/api%2fsegments%2f"),
    *("/api/segments%2f1/", "/api/segments/1%2f", "/api/segments/%31/", "/api/segments/1/%00/", "/api/segments/%00"),
    *("/api/segments/1;x=1/", "/api/segments/1%20/", "/api/segments", "/API/segments/", "/api/segments/\u00bc/"),
    *("/api/segments/" + "9" * 500 + "/", "/api/segments/-1/", "/api/segments/0x1/", "/api/segments/1e0/"),
    *("/api/ai-pages/query/", "/api/explorer/users//", "/api/explorer/users/%ff/", "/api/explorer/users/%00/"),
    *("/api/explorer/users/%2e%2e%2fsegments/", "/api/explorer/users/../segments/", "/..", "/../../etc/passwd"),
    *("/api/explorer/users/" + "%61" * 15_000 + "/", "/%2e%2e/%2e%2e/etc/passwd", "http://127.0.0.1/api/segments/"),
]


@pytest.mark.parametrize("path", TRICKS, ids=lambda path: path[:40])
def test_path_tricks_lead_nowhere(hostile: Served, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        sent = hostile.request(path, b"{}", CLOSE, method=method)
        must_reject_all(hostile.converse(sent), 400, 404, 405)


@pytest.mark.parametrize(
    "path", ["/api/\x00/", "/api/ segments/", "/api/\x7f/", "", "api/segments/", "*", "/" + "a" * 200_000]
)
def test_paths_that_no_request_may_have_are_rejected(hostile: Served, path: str) -> None:
    must_reject_all(hostile.converse(hostile.request(path, b"", CLOSE, method="GET")), 400, 404, 414, 431, 505)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/x\r\n\r\n",
        b"GET /api/segments/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nBad Header: x\r\n\r\n",
        b"GET /api/segments/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /api/segments/ HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 300_000 + b"\r\n\r\n",
    ],
    ids=["nonsense", "TLS", "version", "header", "many headers", "long header"],
)
def test_what_is_not_a_request_is_rejected(hostile: Served, sent: bytes) -> None:
    must_reject_all(hostile.converse(sent), 400, 401, 431, 505)


@pytest.mark.parametrize(
    "length",
    ["-1", "+5", "1_0", "abc", "", "0x10", "9" * 40, "5, 6", "1.5", "²"],
)
def test_a_length_that_is_not_a_number_is_rejected(hostile: Served, length: str) -> None:
    sent = hostile.request(SINGLE_PATH, EVENT, f"Content-Length: {length}", CLOSE)
    must_reject_all(hostile.converse(sent), 400, 413)


def test_two_lengths_or_a_length_and_chunks_are_rejected(hostile: Served) -> None:
    for headers in (
        ["Content-Length: 5", f"Content-Length: {len(EVENT)}"],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: chunked, chunked"],
    ):
        must_reject_all(hostile.converse(hostile.request(SINGLE_PATH, EVENT, *headers, CLOSE)), 400, 411, 501)


def test_a_length_that_is_too_short_stores_nothing(hostile: Served) -> None:
    data = hostile.converse(hostile.request(SINGLE_PATH, EVENT, f"Content-Length: {len(EVENT) - 1}"), half_close=True)
    assert all(status == 400 for status, _ in split_responses(data))


def test_a_request_that_ends_too_early_stores_nothing(hostile: Served) -> None:
    whole = hostile.request(SINGLE_PATH, EVENT)
    for end in (1, 20, len(whole) - len(EVENT) - 2, len(whole) - len(EVENT), len(whole) - 1):
        data = hostile.converse(whole[:end], half_close=True)
        assert all(status == 400 for status, _ in split_responses(data))


def test_a_client_that_resets_in_the_middle_stores_nothing(hostile: Served) -> None:
    whole = hostile.request(BATCH_PATH, b'{"events": [' + EVENT + b"]}")
    for end in (1, 20, len(whole) // 2, len(whole) - 1):
        client = hostile.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        client.sendall(whole[:end])
        client.close()


def test_a_half_closed_connection_gets_its_response_or_none_and_the_event_is_whole(served: Served) -> None:
    before = served.counts()["events"]
    data = served.converse(served.request(SINGLE_PATH, EVENT), half_close=True)
    assert [status for status, _ in split_responses(data)] in ([202], [])
    assert served.good() == 202
    assert served.counts()["events"] in {before + 1, before + 2}


def test_requests_that_do_not_wait_get_responses_in_order(served: Served) -> None:
    before = served.counts()["events"]
    good, bad = served.request(SINGLE_PATH, EVENT), served.request(SINGLE_PATH, b"{")
    missing = served.request("/api/nothing/", b"", method="GET")
    data = served.converse((good + bad + missing) * 20 + served.request(SINGLE_PATH, EVENT, CLOSE))
    assert [status for status, _ in split_responses(data)] == [202, 400, 404] * 20 + [202]
    assert served.counts()["events"] == before + 21


def test_slow_clients_hold_nobody_up(hostile: Served) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(hostile.connect()) for _ in range(150)]
        sent = hostile.request("/api/analytics/usage/", b"", CLOSE, method="GET")
        for position in range(5):
            for client in slow:
                client.sendall(sent[position : position + 1])
            must_reject(hostile.ask("POST", SINGLE_PATH, {}), 400)
        slow[0].sendall(sent[5:])
        response = b"".join(iter(lambda: slow[0].recv(65_536), b""))
        assert response.startswith(b"HTTP/1.1 200 ")
