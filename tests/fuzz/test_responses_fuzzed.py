"""Arbitrary responses: sessions, batches, errors, webhooks, dates, and raw HTTP.

core/test_retry.py fuzzes Retry-After, too, and plugins/ai_referrer/test_hosts.py fuzzes referrers. Inputs that once
failed, or nearly did, stay as explicit examples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timezone
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segops import SegOpsWebhookError, UserContext, parse_webhook
from segops.core import Request, Response, SegOpsApiError, SegOpsError, SegOpsTransportError
from segops.core.errors import api_error
from segops.core.retry import Clock, retry_after
from segops.delivery.auth import SessionAuth
from segops.delivery.keys import check_key
from segops.delivery.responses import skipped, without_credential
from segops.testing import FakeClock
from segops.transports.http import HttpTransport
from tests.rig.fault_server import FaultServer, cut, raw

NOW = 1_800_000_000.0
KEY = "pk_test_fuzz"

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
moments = st.datetimes(timezones=st.none() | st.timezones()).map(lambda moment: moment.isoformat())
odd_moments = st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", fullmatch=True)
dates = st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,9} [A-Z][a-z]{2} -?\d{1,12} \d+:\d+:\d+ \S*")


def either(known: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[bytes]:
    """Return bodies: bytes, any JSON, objects with the known fields, and such objects cut short."""
    whole = st.fixed_dictionaries({}, optional=known).map(lambda value: json.dumps(value).encode())
    cut_short = st.tuples(whole, st.integers(0, 200)).map(lambda both: both[0][: both[1]])
    return st.binary() | anything.map(lambda value: json.dumps(value).encode()) | whole | cut_short


@given(
    body=either({"token": st.text() | anything, "expires_at": moments | odd_moments | anything}),
    date=dates,
    status=st.sampled_from([200, 201, 299, 400, 401, 429, 500, 599]),
)
@example(b'{"token": "t", "expires_at": "0001-01-01T00:00:00+14:00"}', "", 200)
@example(b'{"token": "t", "expires_at": "9999-12-31T23:59:59-23:59"}', "Fri, 15 Jan 2027 08:00:00 GMT", 200)
@example(b'{"token": "t", "expires_at": "2027-01-15T09:00:00"}', "Fri, 99 Foo 99999999999 08:00:00 GMT", 200)
@example(b'{"token": "t\\r\\nX: 1", "expires_at": "2027-01-15T09:00:00Z"}', "", 200)
@example(b"[" * 100_000, "", 200)
def test_a_session_is_a_token_that_fits_a_header_or_an_error_of_ours(body: bytes, date: str, status: int) -> None:
    response = Response(status, {"date": date}, body)
    sessions = SessionAuth(check_key(KEY), lambda *_: response, cast("Clock", FakeClock()))
    try:
        token = sessions.token(UserContext(user_id="u-1"), 1.0)
    except (SegOpsTransportError, SegOpsApiError):
        return
    assert token
    assert token.isascii()
    assert token.isprintable()


@given(either({"queued": anything, "skipped": anything}))
@example(b'{"skipped": -1}')
@example(b'{"skipped": 1e3}')
@example(b'{"skipped": ' + b"9" * 5000 + b"}")
@example(b"[" * 100_000)
def test_the_count_of_skipped_events_is_never_negative(body: bytes) -> None:
    count = skipped(Response(202, {}, body))
    assert isinstance(count, int)
    assert count >= 0


@given(
    body=either({"detail": anything, "error": anything, "code": anything, "errors": anything}),
    status=st.integers(300, 999),
    headers=st.dictionaries(st.sampled_from(["retry-after", "x-request-id", "location", "content-type"]), st.text()),
)
@example(b"\xff", 500, {})
@example(b'{"detail": {"a": [[[]]]}}', 422, {"x-request-id": "\r\n"})
@example(b"[" * 100_000, 400, {})
def test_an_error_can_be_made_of_any_answer_and_never_shows_the_key(
    body: bytes, status: int, headers: dict[str, str]
) -> None:
    request = Request("POST", "/api/x/", {"Authorization": f"ApiKey {KEY}"})
    response = without_credential(Response(status, headers, body + KEY.encode()), request)
    error = api_error("POST /api/x/", response.status, response.body, response.headers)
    assert isinstance(error, SegOpsApiError)
    assert KEY not in str(error) + repr(error)


@given(asked=dates, date=dates)
@example("-5", "")
@example("1.5", "")
@example("9" * 5000, "")
@example("Fri, 15 Jan 2027 08:01:00 GMT", "Fri, 15 Jan 99999999999999 08:01:00 GMT")
@example("²", "::")
@example("\u0665", "\u0665")
def test_retry_after_and_date_are_seconds_or_nothing(asked: str, date: str) -> None:
    seconds = retry_after({"retry-after": asked, "date": date}, NOW)
    assert seconds is None or isinstance(seconds, float)


FIELDS: dict[str, st.SearchStrategy[object]] = {
    "event": st.just("segment.recomputed") | anything,
    "tenant_slug": st.text() | anything,
    "segment_id": st.integers() | anything,
    "segment_name": st.text() | anything,
    "member_count": st.integers() | anything,
    "computed_at": moments | odd_moments | anything,
}


@given(either(FIELDS))
@example(b"[" * 100_000)
@example(b'{"event": "\xff"}')
@example(
    b'{"event":"e","tenant_slug":"t","segment_id":1,"segment_name":"s","member_count":1,'
    b'"computed_at":"0001-01-01T00:00:00+23:59"}'
)
def test_a_webhook_is_an_event_with_a_time_zone_or_one_clear_error(body: bytes) -> None:
    try:
        event = parse_webhook(body, verify=False)
    except SegOpsWebhookError:
        return
    assert isinstance(event.segment_id, int)
    assert event.computed_at.tzinfo is not None
    assert event.computed_at.replace(tzinfo=timezone.utc).year >= 1


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


status_lines = st.from_regex(rb"HTTP/\d\.\d [0-9]{1,4}[ -~]{0,10}\r\n", fullmatch=True)
header_lines = st.sampled_from(
    [
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Content-Encoding: deflate, gzip\r\n",
        b"Connection: keep-alive\r\n",
        b" folded\r\n",
        b"no colon\r\n",
        b": no name\r\n",
        b"X: \xff\x00\r\n",
    ]
) | st.binary(max_size=20).map(lambda text: text + b"\r\n")
bodies = st.binary(max_size=60) | st.sampled_from(
    [b"5\r\nhello\r\n0\r\n\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"5;x\r\n"]
)
responses = st.tuples(status_lines, st.lists(header_lines, max_size=5), bodies).map(
    lambda parts: parts[0] + b"".join(parts[1]) + b"\r\n" + parts[2]
)


@settings(max_examples=150)
@given(data=responses | st.binary(max_size=100))
@example(b"HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
@example(b"HTTP/1.1 202 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx")
@example(b"HTTP/1.1 -20 OK\r\n\r\n")
@example(b"HTTP/1.1 202 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")
def test_whatever_comes_over_the_wire_is_an_answer_or_an_error_of_ours(server: FaultServer, data: bytes) -> None:
    transport = HttpTransport(server.url)
    server.add(cut(len(data), data or b"\n"))
    try:
        response = transport.send(Request("POST", "/api/x/", {}, b"{}"), timeout=60.0)
    except SegOpsError:
        server._faults.clear()  # the request may not have got as far as its fault
    else:
        assert 100 <= response.status <= 999
        assert all(isinstance(value, str) for value in response.headers.values())
    finally:
        transport.close()


def test_a_sound_answer_is_read_among_them(server: FaultServer) -> None:
    server.add(cut(10_000, raw()))
    transport = HttpTransport(server.url)
    assert transport.send(Request("GET", "/api/x/"), timeout=60.0).status == 202
    transport.close()
