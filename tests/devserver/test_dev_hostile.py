"""Hostile and broken requests to `segops dev` get a status below 500."""

from __future__ import annotations

import json
import logging
import socket
import time
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from segops.core import BATCH_PATH, SINGLE_PATH
from segops.emulator import LocalSegOps
from segops.emulator.registry import ROUTES
from tests.devserver.dev_rig import ask, exchange

LONG = "9" * 5000
DEV = [
    *("/", "/_dev/info", "/_dev/overview", "/_dev/events", "/_dev/skipped", "/_dev/requests", "/_dev/referrals"),
    *("/_dev/faults", "/_dev/events/1", "/_dev/segments/1/history"),
]


def key(local: LocalSegOps) -> dict[str, str]:
    return {"Authorization": f"ApiKey {local.secret_key}"}


@pytest.mark.parametrize("host", ["[::1", "]", "[", "a[b", "[zz]", "%", "\xff", "[::1]]"])
def test_an_invalid_host_is_rejected(url: str, host: str, caplog: pytest.LogCaptureFixture) -> None:
    for path in DEV:
        assert exchange(url, path, headers={"Host": host})[0] in (400, 403)
    assert not caplog.records


@pytest.mark.parametrize("digits", [LONG, "9" * 101, "9" * 100, "9" * 19, "x", "-1", "٣", "1.0"])
def test_an_id_that_is_too_long_is_rejected(url: str, digits: str) -> None:
    expected = 400 if digits.isascii() and len(digits) > 100 else 404
    assert ask(url, f"/_dev/events/{quote(digits)}")[0] == expected
    status, body = ask(url, f"/_dev/segments/{quote(digits)}/history")
    assert status == expected or (digits.isdecimal() and digits.isascii() and (status, body) == (200, []))
    for path in ("/_dev/events?limit=", "/_dev/events?before=", "/_dev/skipped?limit=", "/_dev/requests?after="):
        assert ask(url, path + quote(digits))[0] == 200


def test_the_faults_have_the_limit_of_other_bodies(url: str, local: LocalSegOps) -> None:
    body = b'{"faults": ["' + b"x" * (10 * 1024 * 1024) + b'"]}'
    assert ask(url, "/_dev/faults", body)[0] == 413
    for bad in (b"", b"[" * 100_000, b'{"faults": ' + b"[" * 100_000, b"\xff", b'{"faults": [], "fault": []}', b"null"):
        assert ask(url, "/_dev/faults", bad)[0] == 400, bad[:20]
    assert local.faults.pending() == []


@pytest.mark.parametrize("path", ["/_dev/faults", BATCH_PATH])
def test_a_client_that_goes_in_the_middle_of_a_body_is_no_error(
    url: str, path: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    where = urlsplit(url)
    for _ in range(3):
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as client:
            head = f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 100\r\n\r\n{{"
            client.sendall(head.encode())
            time.sleep(0.05)  # so that the endpoint reads the body
    for _ in range(20):
        assert ask(url, "/_dev/info")[0] == 200
        time.sleep(0.01)
    assert not caplog.records
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("path", [path for path in DEV if path != "/"])
def test_an_unknown_parameter_is_named(url: str, path: str) -> None:
    status, response = ask(url, f"{path}?ghost=1")
    assert (status, "'ghost'" in response["detail"]) == (400, True)


VALUES = [LONG, "1e999", "-" + LONG, "0." + LONG, "1e-999", '"\\ud83d\\ude00"', '{"a":1,"a":2}', "[" * 600 + "]" * 600]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:12])
def test_an_event_that_was_accepted_can_be_viewed(
    url: str, local: LocalSegOps, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    payload = f'{{"user_id": "ada", "event_type": "context_identified", "payload": {{"n": {value}}}}}'
    assert ask(url, SINGLE_PATH, payload.encode(), headers=key(local))[0] == 202
    condition = {"type": "user_property", "property": "n", "operator": "is_set"}
    segment = {"name": "x", "definition": {"logic": "AND", "conditions": [condition]}}
    assert ask(url, "/api/segments/", segment, headers=key(local))[0] == 201
    for path in (*DEV, "/_dev/events?text=9", "/api/segments/1/members/", "/api/analytics/overview/"):
        assert exchange(url, path, headers=key(local))[0] == 200, path
    for path in ("", "events/", "segments/", "segments/1/explain/"):
        assert exchange(url, f"/api/explorer/users/ada/{path}", headers=key(local))[0] == 200, path
    shown = json.loads(exchange(url, "/_dev/events/1")[2])["payload"]
    assert shown.startswith("{")
    assert LONG not in value or LONG in shown or value.startswith("0.")
    assert not caplog.records


@pytest.mark.parametrize("path", ["/api/pim/products/bulk/", "/api/schemas/infer/", "/api/schemas/validate/"])
@pytest.mark.parametrize("number", [LONG, "9" * 400, "1e999", "-" + LONG])
def test_a_number_that_json_parsers_reject_is_rejected_in_what_is_parsed(
    url: str, local: LocalSegOps, path: str, number: str
) -> None:
    body = f'{{"products": [{number}], "events": [{number}], "payload": {{"n": {number}}}, "event_type": "e"}}'
    status, response = ask(url, path, body.encode(), headers=key(local))
    assert (status, "JSON parse error" in response["detail"]) == (400, True)


TARGETS = [*DEV, "/_dev/stream", *(route.path for route in ROUTES)]
JUNK = st.one_of(st.text(max_size=10), st.sampled_from([LONG, "-1", "\x00", "%", "[", "1e999", "null", ".."]))
BODIES = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.sampled_from([b"[" * 5000, b'{"a":' * 900, b'{"n":' + LONG.encode() + b"}", b'{"events":[{"user_id":1e999}]}']),
    st.dictionaries(st.sampled_from(["events", "faults", "definition", "name", "products"]), JUNK, max_size=3),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    target=st.sampled_from([target for target in TARGETS if target != "/_dev/stream"]),
    part=JUNK,
    query=st.dictionaries(st.sampled_from(["page", "limit", "before", "after", "type", "q", "cursor", "since"]), JUNK),
    headers=st.dictionaries(st.sampled_from(["Host", "Origin", "Last-Event-ID", "Content-Type"]), JUNK, max_size=2),
    body=BODIES,
)
@example(method="GET", target="/_dev/events/<id>", part=LONG, query={}, headers={"Host": "[::1"}, body=None)
def test_nothing_that_is_asked_makes_it_fail(
    url: str,
    local: LocalSegOps,
    caplog: pytest.LogCaptureFixture,
    *,
    method: str,
    target: str,
    part: str,
    query: dict[str, str],
    headers: dict[str, str],
    body: Any,
) -> None:
    while "<" in target:
        target = target[: target.index("<")] + quote(part, safe="") + target[target.index(">") + 1 :]
    text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    sent = {**key(local), "Host": "127.0.0.1", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value.isprintable())
    request = f"{method} {target}?{text} HTTP/1.1\r\n{head}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    where = urlsplit(url)
    with (
        caplog.at_level(logging.WARNING),
        socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as sock,
    ):
        sock.sendall(request.encode("utf-8", "replace") + data)
        response = sock.makefile("rb").readline()
    assert b"HTTP/1.1 " in response
    assert int(response.split()[1]) < 500, (request, response)
    local.faults.clear()
    assert not [record for record in caplog.records if record.exc_info]


def test_it_still_works_after_all_that(url: str, local: LocalSegOps) -> None:
    events = [{"user_id": "ada", "event_type": "e"}]
    assert ask(url, BATCH_PATH, {"events": events}, headers=key(local)) == (202, {"queued": 1, "skipped": 0})
