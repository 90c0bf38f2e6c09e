"""Mappings: of exports of other products, and those that a user writes."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import msgspec
import pytest

from segops import SegOpsConfigError, SegOpsEventError
from segops.bulk.mapping import RecordMapping
from segops.bulk.products import PRODUCTS

MOMENT = datetime(2026, 1, 1, tzinfo=timezone.utc)
UNIX = int(MOMENT.timestamp())

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "segment",
        {
            "type": "track",
            "userId": "u",
            "anonymousId": "a",
            "event": "Order",
            "properties": {"t": 1},
            "timestamp": "x",
        },
        {"user_id": "u", "anonymous_id": "a", "event_type": "Order", "payload": {"t": 1}, "occurred_at": "x"},
    ),
    (
        "segment",
        {"type": "identify", "userId": 7, "traits": {"plan": "pro"}, "originalTimestamp": "x"},
        {"user_id": "7", "event_type": "context_identified", "payload": {"plan": "pro"}, "occurred_at": "x"},
    ),
    (
        "segment",
        {"type": "page", "anonymousId": "a", "name": "Home", "properties": {"url": "https://x.example/"}},
        {
            "user_id": "anonymous",
            "anonymous_id": "a",
            "event_type": "page_viewed",
            "payload": {"url": "https://x.example/", "name": "Home"},
        },
    ),
    (
        "segment",
        {"type": "group", "userId": "u", "groupId": "g", "traits": {"seats": 3}},
        {"user_id": "u", "event_type": "group_joined", "payload": {"seats": 3, "group_id": "g"}},
    ),
    (
        "mixpanel",
        {"event": "Order", "properties": {"distinct_id": "u", "time": UNIX, "$device_id": "d", "a": 1}},
        {
            "user_id": "u",
            "anonymous_id": "d",
            "event_type": "Order",
            "payload": {"$device_id": "d", "a": 1},
            "occurred_at": MOMENT,
        },
    ),
    (
        "mixpanel",
        {"event": "$mp_web_page_view", "properties": {"distinct_id": "$device:d", "current_url_path": "/a"}},
        {
            "user_id": "anonymous",
            "anonymous_id": "d",
            "event_type": "page_viewed",
            "payload": {"current_url_path": "/a", "path": "/a"},
        },
    ),
    (
        "posthog",
        {"event": "$pageview", "distinct_id": "u", "properties": '{"$current_url": "https://x.example/a"}'},
        {
            "user_id": "u",
            "event_type": "page_viewed",
            "payload": {"$current_url": "https://x.example/a", "url": "https://x.example/a"},
        },
    ),
    (
        "posthog",
        {"event": "$identify", "distinct_id": "u", "properties": {"$set": {"plan": "pro"}, "$anon_distinct_id": "a"}},
        {"user_id": "u", "anonymous_id": "a", "event_type": "context_identified", "payload": {"plan": "pro"}},
    ),
    (
        "posthog",
        {"event": "x", "distinct_id": "a", "properties": {"$is_identified": False}, "timestamp": "t"},
        {
            "user_id": "anonymous",
            "anonymous_id": "a",
            "event_type": "x",
            "payload": {"$is_identified": False},
            "occurred_at": "t",
        },
    ),
    (
        "amplitude",
        {"user_id": "u", "device_id": "d", "event_type": "x", "event_time": "t", "event_properties": {"a": 1}},
        {"user_id": "u", "anonymous_id": "d", "event_type": "x", "payload": {"a": 1}, "occurred_at": "t"},
    ),
    (
        "amplitude",
        {"device_id": "d", "event_type": "$identify", "time": UNIX * 1000, "user_properties": {"plan": "pro"}},
        {
            "user_id": "anonymous",
            "anonymous_id": "d",
            "event_type": "context_identified",
            "payload": {"plan": "pro"},
            "occurred_at": MOMENT,
        },
    ),
    ("user_id=who.id,event_type=kind", {"who": {"id": 7}, "kind": "x"}, {"user_id": "7", "event_type": "x"}),
    ("user_id=who.id", {"who.id": "u", "event_type": "x"}, {"user_id": "u", "event_type": "x"}),
    ("user_id=uid|email", {"uid": "", "email": "e", "eventType": "x"}, {"user_id": "e", "event_type": "x"}),
    ('event_type="x=y"', {"userId": "u"}, {"user_id": "u", "event_type": "x=y"}),
    (
        "payload=*,payload.total=amount",
        {"user_id": "u", "event_type": "x", "a": 1, "b": None, "amount": 2},
        {"user_id": "u", "event_type": "x", "payload": {"a": 1, "total": 2}},
    ),
    (
        "payload=props",
        {"user_id": "u", "event_type": "x", "props": '{"a": 1}'},
        {"user_id": "u", "event_type": "x", "payload": {"a": 1}},
    ),
    (
        "segment,user_id=traits.email",
        {"type": "identify", "userId": "7", "traits": {"email": "e"}},
        {"user_id": "e", "event_type": "context_identified", "payload": {"email": "e"}},
    ),
]


@pytest.mark.parametrize(("words", "record", "expected"), CASES)
def test_a_record_becomes_an_event(words: str, record: dict[str, Any], expected: dict[str, Any]) -> None:
    mapping = RecordMapping.parse(words.split(","))
    event = msgspec.structs.asdict(mapping.event(record))
    assert {name: value for name, value in event.items() if value not in (None, {})} == expected
    assert not mapping.unmapped


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (UNIX, MOMENT),
        (float(UNIX), MOMENT),
        (UNIX * 10**3, MOMENT),
        (UNIX * 10**6, MOMENT),
        (UNIX * 10**9, MOMENT),
        (str(UNIX), MOMENT),
        (date(2026, 1, 1), MOMENT),
        (MOMENT, MOMENT),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_times_in_any_form(value: object, expected: object) -> None:
    record = {"user_id": "u", "event_type": "x", "at": value}
    assert RecordMapping.parse(["occurred_at=at"]).event(record).occurred_at == expected


def test_what_nothing_takes_is_counted() -> None:
    mapping = RecordMapping.parse(["amplitude"])
    record = {"user_id": "u", "event_type": "x", "user_properties": {"a": 1}, "city": None, "os": "b", "uuid": "c"}
    mapping.event(record, ignored={"uuid"})
    mapping.event(record)
    assert mapping.unmapped == {"user_properties": 2, "os": 2, "uuid": 1}


@pytest.mark.parametrize(
    ("words", "record", "message"),
    [
        ("segment", {"type": "alias", "userId": "u"}, "segops identity alias"),
        ("segment", {"type": "nonsense"}, "track, identify, page"),
        ("segment", {"type": ["track"]}, "track, identify, page"),
        ("segment", {"event": "x", "properties": 7}, "must be an object, got int"),
        ("posthog", {"event": "x", "properties": "{"}, "text that is not JSON"),
        ("mixpanel", {"event": ["x"], "properties": {}}, "could not be read"),
        ("payload=p", {"p": "{"}, "text that is not JSON"),
        ("occurred_at=at", {"at": -1}, "not a unix time"),
        ("occurred_at=at", {"at": 10**30}, "not a unix time"),
        ("occurred_at=at", {"at": float("nan")}, "not a unix time"),
    ],
)
def test_a_record_that_has_no_event(words: str, record: dict[str, Any], message: str) -> None:
    with pytest.raises(SegOpsEventError, match=message):
        RecordMapping.parse([words]).event(record)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["segmant"], "cannot map from 'segmant': did you mean segment?"),
        (["rudderstack"], f"name one of {', '.join(PRODUCTS)}, or write FIELD=KEY"),
        (["segment", "posthog"], "two products"),
        (["userid=x"], "unknown field 'userid' in the mapping 'userid=x': did you mean user_id?"),
        (["payload.=x"], "unknown field 'payload.'"),
        (["user_id="], "empty key"),
        (["user_id=a..b"], "empty key"),
        (["user_id=a|"], "empty key"),
        (['event_type="'], "unfinished or empty text"),
        (['event_type=""'], "unfinished or empty text"),
        (["user_id=*"], "only the payload can be the rest"),
        (["user_id=a", "user_id=b"], "user_id is mapped twice: remove 'user_id=b'"),
    ],
)
def test_a_mapping_that_is_none(words: list[str], message: str) -> None:
    with pytest.raises(SegOpsConfigError) as caught:
        RecordMapping.parse(words)
    assert message in str(caught.value)
