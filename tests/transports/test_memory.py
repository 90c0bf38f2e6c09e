"""MemoryTransport, and what the built-in plugin registers."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime, timezone

import msgspec
import pytest

from segops.core import (
    BATCH_PATH,
    SESSION_PATH,
    SINGLE_PATH,
    Request,
    Response,
    SegOpsConfigError,
    SegOpsTimeoutError,
)
from segops.transports import segops_register_transports
from segops.transports.memory import MemoryTransport
from tests.rig.programs import unmeasured

BATCH = Request(
    "POST", BATCH_PATH, {"Authorization": "ApiKey sk_planted"}, b'{"events":[{"user_id":"a"},{"user_id":"b"}]}'
)
SINGLE = Request("POST", SINGLE_PATH, {}, b'{"user_id":"c"}')
LONG = 60.0


def test_it_remembers_requests_and_events() -> None:
    transport = MemoryTransport()
    assert transport.send(BATCH, timeout=LONG).body == b'{"queued":2,"skipped":0}'
    assert transport.send(SINGLE, timeout=LONG).body == b'{"queued":true}'
    assert transport.send(Request("GET", "/api/segments/"), timeout=LONG).status == 202
    assert [request.path for request in transport.requests] == [BATCH_PATH, SINGLE_PATH, "/api/segments/"]
    assert transport.events == [{"user_id": "a"}, {"user_id": "b"}, {"user_id": "c"}]
    assert repr(transport) == "MemoryTransport(3 requests, 3 events)"
    transport.clear()
    assert not transport.requests
    assert not transport.events


def test_responses_are_given_in_order_and_only_success_counts_as_delivered() -> None:
    failure = SegOpsTimeoutError("too late")
    transport = MemoryTransport(503, failure, Response(200, {"x": "y"}, b"{}"))
    transport.respond_with(lambda request: Response(207, {}, request.body))
    assert transport.send(SINGLE, timeout=LONG).status == 503
    with pytest.raises(SegOpsTimeoutError) as caught:
        transport.send(SINGLE, timeout=LONG)
    assert caught.value is failure
    assert not transport.events
    assert transport.send(SINGLE, timeout=LONG).headers == {"x": "y"}
    assert transport.send(BATCH, timeout=LONG).body == BATCH.body
    assert len(transport.requests) == 4
    assert len(transport.events) == 3
    transport.respond_with(500)
    transport.clear()
    assert transport.send(SINGLE, timeout=LONG).status == 202


@pytest.mark.parametrize(("path", "body"), [(BATCH_PATH, b"{"), (BATCH_PATH, b"{}"), (SINGLE_PATH, b"[]")])
def test_a_body_that_holds_no_events_is_refused_unless_scripted(path: str, body: bytes) -> None:
    transport = MemoryTransport()
    assert transport.send(Request("POST", path, {}, body), timeout=LONG).status == 400
    transport.respond_with(202)
    assert transport.send(Request("POST", path, {}, body), timeout=LONG).status == 202
    assert not transport.events


def test_it_waits_for_events() -> None:
    transport = MemoryTransport()
    assert transport.wait_for(0, 0)
    assert not transport.wait_for(1, 0.01)
    sender = threading.Thread(target=transport.send, args=(BATCH,), kwargs={"timeout": LONG})
    sender.start()
    assert transport.wait_for(2, LONG)
    sender.join()


@pytest.mark.parametrize(
    ("user", "uid"),
    [({"user_id": "u"}, "u"), ({"anonymous_id": "v"}, "anon_v"), ({}, "anon_anonymous"), (None, "anon_anonymous")],
)
def test_it_responses_the_handshake_like_a_server(user: dict[str, str] | None, uid: str) -> None:
    transport = MemoryTransport(offline=False, clock=lambda: 1_000_000_000.5)
    body = b"" if user is None else msgspec.json.encode(user)
    response = transport.send(Request("POST", SESSION_PATH, {}, body), timeout=LONG)
    session = msgspec.json.decode(response.body)
    assert (response.status, session["uid"]) == (200, uid)
    assert session["token"]
    assert session["expires_at"] == "2001-09-09T02:01:40Z"
    assert datetime.fromisoformat(session["expires_at"][:-1]).replace(tzinfo=timezone.utc).timestamp() == 1_000_000_900


def test_it_is_offline_unless_told_otherwise() -> None:
    assert MemoryTransport().offline
    assert not MemoryTransport(offline=False).offline


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://localhost", "HttpTransport"),
        ("https://host", "HttpTransport"),
        ("file:e", "FileTransport"),
        ("stdout:", "StdoutTransport"),
        ("memory:", "MemoryTransport"),
    ],
)
def test_the_plugin_registers_each_scheme(url: str, kind: str) -> None:
    transport = segops_register_transports()[url.partition(":")[0]](url)
    assert type(transport).__name__ == kind


def test_memory_takes_no_options() -> None:
    with pytest.raises(SegOpsConfigError, match="pass a MemoryTransport"):
        MemoryTransport.from_url("memory:x")


def test_importing_the_transports_loads_nothing_heavy() -> None:
    code = (
        "import sys, segops.transports as t; t.segops_register_transports()\n"
        "print([name for name in ('urllib3', 'ssl', 'sqlite3', 'structlog', 'http.client') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=unmeasured())
    assert done.stdout == "[]\n"
