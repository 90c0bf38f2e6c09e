"""Stored, skipped, and rejected events."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH, Request
from segops.emulator import LocalSegOps, StoredEvent
from tests.emulator.local_service import START, Service, event

NOW = "2026-01-01T00:00:00.000000Z"


def test_a_single_event_is_stored_with_all_its_fields(service: Service) -> None:
    body = event(1, occurred_at="2025-05-01T14:32:00Z", anonymous_id="dev-1")
    assert service.track(body) == (202, {"queued": True})
    assert list(service.segops.events()) == [
        StoredEvent(1, "user-1", "order_placed", "2025-05-01T14:32:00.000000Z", NOW, "dev-1", "human", {"total": 10.5})
    ]


def test_what_is_optional_may_be_absent_or_null(service: Service) -> None:
    minimal = {"user_id": "u", "event_type": "e"}
    nulls = {**minimal, "occurred_at": None, "payload": None, "anonymous_id": None}
    assert service.track(minimal)[0] == 202
    assert service.batch([nulls]) == (202, {"queued": 1, "skipped": 0})
    for stored in service.segops.events():
        assert (stored.occurred_at, stored.payload, stored.anonymous_id) == (NOW, {}, None)


def test_a_batch_is_stored_in_order_at_the_receive_time(service: Service) -> None:
    assert service.batch([event(n) for n in range(500)]) == (202, {"queued": 500, "skipped": 0})
    stored = list(service.segops.events())
    assert [each.user_id for each in stored] == [f"user-{n}" for n in range(500)]
    assert {each.received_at for each in stored} == {NOW}
    assert service.batch([]) == (202, {"queued": 0, "skipped": 0})


INVALID = [
    {"event_type": "e"},
    {"user_id": "u"},
    {"user_id": "", "event_type": "e"},
    {"user_id": "u", "event_type": ""},
    {"user_id": 5, "event_type": "e"},
    {"user_id": "u", "event_type": None},
    {"user_id": "u", "event_type": "e", "payload": []},
    {"user_id": "u", "event_type": "e", "payload": "{}"},
    {"user_id": "u", "event_type": "e", "occurred_at": "yesterday"},
    {"user_id": "u", "event_type": "e", "occurred_at": ""},
    {"user_id": "u", "event_type": "e", "occurred_at": 1767225600},
    {"user_id": "u", "event_type": "e", "occurred_at": "0001-01-01T00:00:00+05:00"},
    {"user_id": "u", "event_type": "e", "anonymous_id": 7},
    "text",
    None,
    [],
]


@pytest.mark.parametrize("bad", INVALID, ids=json.dumps)
def test_an_invalid_event_is_skipped_in_a_batch_and_rejected_alone(service: Service, bad: object) -> None:
    assert service.batch([event(1), bad, event(2)]) == (202, {"queued": 2, "skipped": 1})
    status, response = service.track(bad)
    assert status == 400
    assert response
    assert [each.user_id for each in service.segops.events()] == ["user-1", "user-2"]


def test_each_wrong_field_is_named(service: Service) -> None:
    bad = {"user_id": "", "occurred_at": "soon", "payload": 1, "anonymous_id": None}
    status, errors = service.track(bad)
    assert status == 400
    assert errors.keys() == {"user_id", "event_type", "occurred_at", "payload"}
    assert errors["event_type"] == ["This field is required."]
    assert all(isinstance(text, str) for texts in errors.values() for text in texts)
    assert service.track({"user_id": "", "event_type": "e", "occurred_at": None})[1].keys() == {"user_id"}


def test_a_repeated_name_is_rejected_if_any_of_its_values_is_wrong(service: Service) -> None:
    status, response = service.track(b'{"user_id": 5, "user_id": "u", "event_type": "e"}')
    assert (status, list(response)) == (400, ["detail"])


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2027-01-05T09:30:00.123456+00:00", "2027-01-05T09:30:00.123456Z"),
        ("2027-01-05T09:30:00Z", "2027-01-05T09:30:00.000000Z"),
        ("2027-01-05T09:30:00", "2027-01-05T09:30:00.000000Z"),
        ("2027-01-05T09:30:00.5+02:00", "2027-01-05T07:30:00.500000Z"),
        ("2027-01-05", "2027-01-05T00:00:00.000000Z"),
        ("2027-01-05T09:30", "2027-01-05T09:30:00.000000Z"),
        ("0999-01-05T09:30:00Z", "0999-01-05T09:30:00.000000Z"),
    ],
)
def test_times_are_stored_as_utc_text_that_sorts(segops: LocalSegOps, given: str, stored: str) -> None:
    body = json.dumps(event(occurred_at=given)).encode()
    key = {"authorization": f"ApiKey {segops.secret_key}"}
    assert segops.handle(Request("POST", SINGLE_PATH, key, body)).status == 202
    assert [each.occurred_at for each in segops.events()] == [stored]


def test_more_than_500_events_are_rejected_and_nothing_is_stored(service: Service) -> None:
    for tail in (event(500), None):
        status, errors = service.batch([*map(event, range(500)), tail])
        assert (status, list(errors)) == (400, ["events"])
    assert service.segops.summary().events == 0


@pytest.mark.parametrize("events", [None, {}, "x", 5])
def test_events_must_be_a_list(service: Service, events: object) -> None:
    status, errors = service.batch(events)
    assert (status, list(errors)) == (400, ["events"])


DEEP = b'{"user_id":"u","event_type":"e","payload":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
MALFORMED = [
    b"",
    b"{",
    b"<html>",
    b'{"user_id":"u","event_type":"e","payload":{"a":NaN}}',
    b'{"user_id":"u","event_type":"e","payload":{"a":"\xff"}}',
    b'{"user_id":"\xff","event_type":"e"}',
    '{"user_id":"u","event_type":"e"}'.encode("utf-16"),
    DEEP,
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:60]))
def test_what_is_not_json_is_rejected_everywhere(service: Service, body: bytes) -> None:
    for path, key in (
        (SINGLE_PATH, service.segops.secret_key),
        (BATCH_PATH, service.segops.secret_key),
        (SESSION_PATH, service.segops.public_key),
    ):
        status, response = service.post(path, body, f"ApiKey {key}")
        assert (status, list(response)) == (400, ["detail"])
        assert response["detail"].startswith("JSON parse error")
    assert service.segops.summary().events == 0
    assert service.track(event())[0] == 202


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"x"'])
def test_a_body_must_be_an_object(service: Service, body: bytes) -> None:
    assert service.track(body)[0] == 400
    assert service.post(BATCH_PATH, body)[0] == 400
    assert service.post(SESSION_PATH, body, f"ApiKey {service.segops.public_key}")[0] == 400


@pytest.mark.usefixtures("deep_recursion")
def test_a_payload_that_sqlite_cannot_read_back_is_invalid(segops: LocalSegOps) -> None:
    key = {"authorization": f"ApiKey {segops.secret_key}"}
    deep = b'{"user_id":"u","event_type":"e","anonymous_id":"d","payload":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}"
    assert segops.handle(Request("POST", SINGLE_PATH, key, deep)).status == 400
    response = segops.handle(Request("POST", BATCH_PATH, key, b'{"events":[' + deep + b"," + deep + b"]}"))
    if response.status == 202:  # Python 3.12 and later have a limit of their own for C code
        assert json.loads(response.body) == {"queued": 0, "skipped": 2}
    assert (segops.summary().events, segops.aliases()) == (0, {})


def test_a_body_above_10_mib_is_rejected(service: Service) -> None:
    status, response = service.track(b" " * (10 * 1024 * 1024 + 1))
    assert (status, list(response)) == (413, ["detail"])
    large = event(payload={"text": "x" * (10 * 1024 * 1024 - 200)})
    service.send = service.segops.handle
    assert service.track(large)[0] == 202


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        ("", 401),
        ("ApiKey", 401),
        ("ApiKey ", 401),
        ("Basic abc", 401),
        ("ApiKey sk_test_unknown", 401),
        ("ApiKey pk_test_unknown", 401),
        ("Bearer sk_test_unknown", 401),
        ("Bearer a.b.c", 401),
        ("Bearer é.b.c", 401),
        ("ApiKey mk_test_any", 403),
    ],
)
@pytest.mark.parametrize("path", [SINGLE_PATH, BATCH_PATH, SESSION_PATH])
def test_a_credential_that_does_not_fit_is_rejected(service: Service, path: str, auth: str, status: int) -> None:
    actual, response = service.post(path, event(), auth)
    assert (actual, list(response)) == (status, ["detail"])
    assert service.segops.summary().events == 0


def test_each_kind_of_key_has_its_own_endpoints(service: Service) -> None:
    public = f"ApiKey {service.segops.public_key}"
    assert service.track(event(), public)[0] == 403
    assert service.batch([event()], public)[0] == 403
    assert service.post(SESSION_PATH, {})[0] == 403
    assert service.track(event(), f"apikey  {service.segops.secret_key} ")[0] == 202


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/ingestion/track",
        "/api/ingestion/track/batch",
        "//api/ingestion/track/",
        "/api//ingestion/track/",
        "/api/ingestion/../ingestion/track/",
        "/api/ingestion/track%2f",
        "/api/ingestion/track/%00",
        "/API/ingestion/track/",
    ],
)
def test_only_the_exact_path_is_known(service: Service, path: str) -> None:
    assert service.post(path, event()) == (404, {"detail": "Not found."})


def test_a_query_is_not_part_of_the_path(service: Service) -> None:
    assert service.post(SINGLE_PATH + "?x=/../", event())[0] == 202


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method_is_rejected_with_the_right_one(service: Service, method: str) -> None:
    response = service.send(Request(method, SINGLE_PATH))
    assert (response.status, response.headers["allow"]) == (405, "POST")
    assert json.loads(response.body) == {"detail": f'Method "{method}" not allowed.'}


def test_the_first_identification_wins(service: Service) -> None:
    service.batch([event(1, anonymous_id="a"), event(2, anonymous_id="a"), event(2, anonymous_id="b"), event(3)])
    service.track(event(9, anonymous_id="b"))
    assert service.segops.aliases() == {"anon_a": "user-1", "anon_b": "user-2"}


def test_an_id_that_is_nobody_identifies_nobody(service: Service) -> None:
    nobody = [event(user_id=user, anonymous_id="a") for user in ("anonymous", "a", "anon_a")]
    assert service.batch([*nobody, event(1, anonymous_id="")]) == (202, {"queued": 4, "skipped": 0})
    assert service.segops.aliases() == {}
    service.track(event(1, anonymous_id="a"))
    assert service.segops.aliases() == {"anon_a": "user-1"}


def test_the_summary_is_read_from_the_database(service: Service) -> None:
    service.batch(
        [
            event(1, payload={"total": 0.1}),
            event(1, payload={"total": 0.2}),
            event(2, payload={"total": "99"}),
            event(2, payload={}),
            event(3, event_type="order_refunded", payload={"total": 5}),
            event(user_id="anon_a", event_type="page_viewed"),
            event(3, event_type="page_viewed", anonymous_id="a"),
            event(4, event_type="ai_referral_session", payload={"source_provider": "chatgpt"}),
            event(4, event_type="ai_referral_session", payload={"source_provider": "claude"}),
            event(4, event_type="ai_referral_session", payload={"source_provider": "chatgpt"}),
        ]
    )
    summary = service.segops.summary()
    assert (summary.events, summary.users, summary.total_spend) == (10, 4, 0.3)
    assert summary.by_type == {"order_placed": 4, "ai_referral_session": 3, "page_viewed": 2, "order_refunded": 1}
    assert list(summary.ai_referrals.items()) == [("chatgpt", 2), ("claude", 1)]


def test_events_are_read_back_by_type_and_over_many_pages(service: Service) -> None:
    for start in range(0, 2500, 500):
        service.batch([event(n, event_type=f"t{n % 2}") for n in range(start, start + 500)])
    assert [each.id for each in service.segops.events()] == list(range(1, 2501))
    assert [each.user_id for each in service.segops.events("t1")] == [f"user-{n}" for n in range(1, 2500, 2)]


def test_the_journal_holds_each_request(service: Service) -> None:
    service.batch([event(), None])
    service.post(BATCH_PATH + "?secret=1", {}, **{"Idempotency-Key": "abc"})
    service.post("/nowhere/", {})
    first, second, third = service.segops.requests()
    assert (first.at, first.method, first.path, first.status) == (START, "POST", BATCH_PATH, 202)
    assert (first.count, first.skipped, first.idempotency_key) == (1, 1, None)
    assert (second.path, second.status, second.count, second.idempotency_key) == (BATCH_PATH, 400, 0, "abc")
    assert (third.path, third.status) == ("/nowhere/", 404)


def test_threads_share_one_service(service: Service) -> None:
    def send(worker: int) -> None:
        key = {"authorization": f"ApiKey {service.segops.secret_key}"}
        for part in range(20):
            body = json.dumps({"events": [event(worker * 1000 + part * 10 + n) for n in range(10)]}).encode()
            assert service.segops.handle(Request("POST", BATCH_PATH, key, body)).status == 202

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (service.segops.summary().events, service.segops.summary().users) == (1600, 1600)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(payload=st.dictionaries(st.text(), json_values, max_size=4), user=st.text(min_size=1))
def test_a_payload_comes_back_as_it_was_sent(segops: LocalSegOps, payload: object, user: str) -> None:
    text = json.dumps(event(user_id=user, payload=payload), ensure_ascii=False).encode("utf-8", "replace")
    key = {"authorization": f"ApiKey {segops.secret_key}"}
    assert segops.handle(Request("POST", SINGLE_PATH, key, text)).status == 202
    stored = list(segops.events())[-1]
    sent = json.loads(text)
    assert (stored.user_id, stored.payload) == (sent["user_id"], sent["payload"])


@settings(max_examples=150)
@given(body=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_breaks_an_endpoint(segops: LocalSegOps, body: bytes) -> None:
    for path, key in (
        (SINGLE_PATH, segops.secret_key),
        (BATCH_PATH, segops.secret_key),
        (SESSION_PATH, segops.public_key),
    ):
        response = segops.handle(Request("POST", path, {"authorization": f"ApiKey {key}"}, body))
        assert response.status in {200, 202, 400}
        json.loads(response.body)
