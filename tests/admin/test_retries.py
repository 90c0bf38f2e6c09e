"""Errors, retries and idempotency (Admin SDK, "Errors, retries, idempotency")."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

import segops
from segops import (
    RetryPolicy,
    SegOpsAdmin,
    SegOpsApiError,
    SegOpsArgumentError,
    SegOpsResponseError,
    SegOpsServerError,
    SegOpsTimeoutError,
    SegOpsTransportError,
)
from segops.core import Response, SegOpsEncodingError, SegOpsPayloadTooLargeError, SegOpsRedirectError
from segops.plugins.admin.sinks import MemorySink
from tests.admin.admin_rig import ok, scripted
from tests.rig.fault_server import FaultServer, cut, drip, endless_body, hang_up, hold, raw, reset, respond

QUICK = RetryPolicy(base=0.001, cap=0.002)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, SegOpsRedirectError),
        (400, segops.SegOpsBadRequestError),
        (401, segops.SegOpsAuthenticationError),
        (403, segops.SegOpsPermissionError),
        (404, segops.SegOpsNotFoundError),
        (409, SegOpsApiError),
        (413, SegOpsPayloadTooLargeError),
        (422, segops.SegOpsBadRequestError),
    ],
)
def test_an_error_of_the_caller_is_not_retried(status: int, kind: type[SegOpsApiError]) -> None:
    admin, transport, _ = scripted(ok({"detail": "why"}, status, {"x-request": "7"}))
    with pytest.raises(kind) as caught:
        admin.users.get("a/b")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.text, error.headers["x-request"]) == (status, '{"detail": "why"}', "7")
    assert (error.method, error.path, error.attempts) == ("GET", "/api/explorer/users/a%2Fb/", 1)
    assert "planted" not in str(error)
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    "failure", [429, 500, 502, 503, 504, SegOpsTransportError("reset"), SegOpsTimeoutError("slow")]
)
def test_what_may_pass_is_retried(failure: Any) -> None:
    admin, transport, clock = scripted(failure, failure, failure, ok({"id": 1}))
    assert admin.segments.recompute(1).to_dict() == {"id": 1}
    assert len(transport.requests) == 4
    assert clock.sleeps == [0.25, 0.5, 1.0]  # half of 0.5, 1, 2: the draw is 0.5


@pytest.mark.parametrize("retries", [0, 1, 3, 5])
def test_max_retries(retries: int) -> None:
    admin, transport, _ = scripted(*[503] * 9, max_retries=retries)
    with pytest.raises(SegOpsServerError) as caught:
        admin.segments.get(1)
    assert len(transport.requests) == caught.value.attempts == retries + 1


def test_the_attempts_of_a_network_error_are_counted() -> None:
    admin, _, _ = scripted(*[SegOpsTransportError("reset")] * 9)
    with pytest.raises(SegOpsTransportError) as caught:
        admin.activations.sync(3)
    error = caught.value
    assert (error.method, error.path, error.attempts) == ("POST", "/api/activations/3/sync/", 4)


def test_retry_after_in_seconds_and_as_a_date() -> None:
    date = {"retry-after": "Fri, 15 Jan 2027 08:00:20 GMT", "date": "Fri, 15 Jan 2027 08:00:03 GMT"}
    admin, _, clock = scripted(ok({}, 429, {"retry-after": "7"}), ok({}, 503, date), ok({"id": 1}))
    assert admin.segments.get(1).id == 1
    assert clock.sleeps == [7.0, 17.0]


def test_a_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    admin, transport, clock = scripted(ok({}, 429, {"retry-after": "61"}), deadline=60)
    with pytest.raises(segops.SegOpsRateLimitError) as caught:
        admin.segments.get(1)
    assert caught.value.headers["retry-after"] == "61"
    assert (clock.sleeps, len(transport.requests)) == ([], 1)


def test_the_deadline_ends_the_retries() -> None:
    admin, transport, clock = scripted(*[503] * 99, max_retries=99, deadline=5)
    with pytest.raises(SegOpsServerError):
        admin.segments.get(1)
    assert sum(clock.sleeps) < 5
    assert 3 < len(transport.requests) < 9


def test_each_mutation_has_a_key_that_stays_the_same() -> None:
    admin, transport, _ = scripted(503, 503, ok({"id": 1}), ok({"id": 1}), Response(204), ok({}), ok([]))
    admin.segments.create(name="x")
    admin.segments.update(1, name="y")
    admin.segments.delete(1)
    admin.http.request("PUT", "/pim/schema/", body={})
    admin.segments.list()
    keys = [request.headers.get("Idempotency-Key") for request in transport.requests]
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys[2:])) == 5
    assert keys[-1] is None
    assert all(UUID(key).version == 4 for key in keys[:-1] if key)


def test_the_caller_may_set_the_key() -> None:
    admin, transport, _ = scripted(503, ok({"id": 1}), ok({}))
    admin.with_options(idempotency_key="order-7").segments.create(name="x")
    admin.http.request("POST", "/some/endpoint/", idempotency_key="mine")
    assert [request.headers["Idempotency-Key"] for request in transport.requests] == ["order-7", "order-7", "mine"]


@pytest.mark.parametrize("key", ["", "a\nb", "ä", 5])
def test_a_bad_key_is_refused(key: Any) -> None:
    with pytest.raises(segops.SegOpsConfigError, match="idempotency_key"):
        scripted()[0].with_options(idempotency_key=key)


def test_the_raw_response_on_request() -> None:
    admin, _, _ = scripted(503, ok({"id": 1}, 200, {"x-request": "9"}), Response(204, {"x-request": "10"}))
    found = admin.raw(admin.segments.get, 1)
    assert found.result.id == 1
    assert found.response is not None
    assert (found.response.status, found.response.headers["x-request"]) == (200, "9")
    assert admin.raw(admin.segments.delete, id=1).response == Response(204, {"x-request": "10"})
    assert admin.raw(len, []).response is None
    assert repr(found) == f"Raw(Segment, {found.response!r})"


# Over a real network: what breaks on the way.


@pytest.mark.parametrize(
    "fault",
    [reset(), hang_up(), cut(40, raw(200, b'{"id": 1}')), cut(80, raw(200, b'{"id": 1}')), respond(429), respond(500)],
)
def test_a_broken_exchange_is_retried_over_the_network(fault: Any) -> None:
    with (
        FaultServer(fault, respond(200, b'{"id": 1}')) as server,
        SegOpsAdmin("sk_1", base_url=server.url, retry=QUICK) as admin,
    ):
        assert admin.segments.create(name="x").id == 1
    assert len({received.headers["idempotency-key"] for received in server.journal}) == 1
    assert len(server.journal) == 2


@pytest.mark.parametrize("fault", [hold, drip])
def test_a_silent_or_dripping_server_times_out(fault: Any) -> None:
    with (
        FaultServer(fault()) as server,
        SegOpsAdmin("sk_1", base_url=server.url, timeout=0.3, max_retries=0) as admin,
        pytest.raises(SegOpsTimeoutError) as caught,
    ):
        admin.segments.list()
    assert caught.value.attempts == 1


def test_nobody_listens() -> None:
    with FaultServer() as server:
        url = server.url
    started = time.monotonic()
    with SegOpsAdmin("sk_1", base_url=url, retry=QUICK) as admin, pytest.raises(SegOpsTransportError, match="refused"):
        admin.segments.list()
    assert time.monotonic() - started < 40


HTML = b"<!doctype html><title>Bad gateway</title>"


@pytest.mark.parametrize("body", [HTML, b'{"id": ', b"", b"\xff\xfe", b"[" * 100_000, b"null", b'"text"', b"[]"])
def test_a_success_that_holds_no_object_is_an_error_with_its_body(body: bytes) -> None:
    """Row 20."""
    with (
        FaultServer(respond(200, body)) as server,
        SegOpsAdmin("sk_1", base_url=server.url) as admin,
        pytest.raises(SegOpsResponseError, match="check that the base URL points to a SegOps API") as caught,
    ):
        admin.segments.get(1)
    assert (caught.value.status, caught.value.method, caught.value.path) == (200, "GET", "/api/segments/1/")
    assert caught.value.text == body.decode("utf-8", "replace")
    assert len(str(caught.value)) < 400
    assert len(server.journal) == 1


def test_an_html_error_page_is_an_error_of_its_status() -> None:
    headers = {"Content-Type": "text/html"}
    with (
        FaultServer(respond(404, HTML, headers)) as server,
        SegOpsAdmin("sk_1", base_url=server.url) as admin,
        pytest.raises(segops.SegOpsNotFoundError) as caught,
    ):
        admin.segments.get(1)
    assert caught.value.body == HTML.decode()


def test_an_action_may_return_nothing_or_anything() -> None:
    admin, _, _ = scripted(Response(204), ok({"status": "queued", "eta": 5}), ok("queued"))
    assert admin.activations.sync(1).to_dict() == {}
    assert admin.activations.sync(1).eta == 5
    assert admin.activations.sync(1).status == "queued"


def test_a_response_beyond_what_the_transport_keeps_is_read_whole() -> None:
    rows = [{"id": number, "data": "x" * 1000} for number in range(3000)]
    with (
        FaultServer(respond(200, ok({"count": 3000, "next": None, "results": rows}).body)) as server,
        SegOpsAdmin("sk_1", base_url=server.url) as admin,
    ):
        assert len(admin.products.list().results) == 3000


def test_an_endless_response_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemorySink.__init__, "__defaults__", (100_000,))
    with FaultServer(endless_body()) as server, SegOpsAdmin("sk_1", base_url=server.url) as admin:
        with pytest.raises(SegOpsResponseError, match="larger than 100000 bytes") as caught:
            admin.http.request("GET", "/segments/")
        assert (caught.value.method, caught.value.path, caught.value.attempts) == ("GET", "/api/segments/", 1)


# The escape hatch.


def test_the_escape_hatch_sends_anything() -> None:
    admin, transport, _ = scripted(
        ok({"a": 1}), Response(200, {"content-type": "text/csv"}, b"a,b"), Response(204), Response(200, {}, b"7"), ok(1)
    )
    assert admin.http.request("post", "/some/endpoint/", body={"x": None}, query={"q": "a b", "n": None}) == {"a": 1}
    assert admin.http.request("GET", "/file/?a=1", query={"b": [1, True], "c": 1.5}) == "a,b"
    assert admin.http.request("DELETE", "/x/") is None
    assert admin.http.request("PUT", "/x/", body=b"raw", headers={"Content-Type": "text/plain"}) == 7
    assert admin.http.request("GET", "/api/segments/exports/1/download/") == 1
    assert [(request.path, request.body) for request in transport.requests] == [
        ("/api/some/endpoint/?q=a+b", b'{"x":null}'),
        ("/api/file/?a=1&b=1&b=true&c=1.5", b""),
        ("/api/x/", b""),
        ("/api/x/", b"raw"),
        ("/api/segments/exports/1/download/", b""),
    ]
    assert transport.requests[0].headers["Authorization"] == "ApiKey sk_test_planted"
    assert transport.requests[3].headers["Content-Type"] == "text/plain"


def test_the_escape_hatch_returns_the_response_as_it_is() -> None:
    admin, _, _ = scripted(Response(201, {"x": "y"}, b"<"))
    assert admin.http.send("GET", "/x/") == Response(201, {"x": "y"}, b"<")


@pytest.mark.parametrize(
    "path",
    [
        "segments/",
        "//evil.example/",
        "https://evil.example/",
        "",
        "/a/../b/",
        "/a/%2e%2E/b/",
        "/a b/",
        "/ä/",
        "/a#b",
        "/./",
        "/a?x y",
        "/a\r\nHost: b",
        5,
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: Any) -> None:
    admin, transport, _ = scripted()
    with pytest.raises(SegOpsArgumentError, match="the path"):
        admin.http.request("GET", path)
    assert transport.requests == []


@pytest.mark.parametrize("value", [object(), {"a": 1}, b"x", [object()], "\ud800"])
def test_a_filter_without_a_form_is_refused(value: Any) -> None:
    admin, transport, _ = scripted()
    with pytest.raises(SegOpsArgumentError):
        admin.segments.list(q=value)
    assert transport.requests == []


@pytest.mark.parametrize("value", [object(), {1, object()}])
def test_a_body_without_a_json_form_is_refused(value: Any) -> None:
    admin, transport, _ = scripted()
    with pytest.raises(SegOpsEncodingError, match="no JSON form"):
        admin.segments.create(name=value)
    cycle: dict[str, Any] = {}
    cycle["definition"] = cycle
    with pytest.raises(SegOpsEncodingError):
        admin.segments.create(cycle)
    assert transport.requests == []


def test_bodies_are_a_mapping_or_keywords_but_not_both_for_one_field() -> None:
    admin, transport, _ = scripted(*[ok({"id": 1})] * 3)
    admin.segments.create({"name": "a"}, description="b")
    admin.segments.export(1, {"format": "parquet"})
    admin.queries.simulate({"query_text": "q"}, providers=["grok"])
    assert [request.body for request in transport.requests] == [
        b'{"name":"a","description":"b"}',
        b'{"format":"parquet"}',
        b'{"query_text":"q","providers":["grok"]}',
    ]
    with pytest.raises(SegOpsArgumentError, match=r"given twice.*name"):
        admin.segments.create({"name": "a"}, name="b")
    with pytest.raises(SegOpsArgumentError, match="body must be a mapping, got list"):
        admin.segments.create([("name", "a")])  # type: ignore[arg-type]
