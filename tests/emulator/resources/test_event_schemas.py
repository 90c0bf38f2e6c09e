"""Store, infer, and enforce event schemas."""

from __future__ import annotations

from typing import Any

import pytest

from segops.emulator.event_schemas import Property, infer_properties, violations
from tests.emulator.api_client import Api
from tests.emulator.local_service import event

P = "/schemas/"

ORDER = {"event_type": "order_placed", "properties": {"total": {"type": "number", "required": True}, "note": "string"}}


def test_a_schema_lives_and_dies(both: Api) -> None:
    made = both("POST", P, ORDER)
    assert made["properties"] == {
        "total": {"type": "number", "required": True, "description": ""},
        "note": {"type": "string", "required": False, "description": ""},
    }
    assert both.status("POST", P, ORDER)[0] == 400
    assert both("PATCH", f"{P}1/", {"event_type": "order_paid"})["properties"] == made["properties"]
    assert both("PUT", f"{P}1/", {"event_type": "order_paid"})["properties"] == {}
    assert both("GET", P)["count"] == 1
    assert both("GET", f"{P}1/")["event_type"] == "order_paid"
    assert both.status("DELETE", f"{P}1/") == (204, None)
    refused: tuple[Any, ...] = (
        {"event_type": ""},
        {"event_type": "e", "properties": {"a": "tree"}},
        {"properties": {}},
    )
    for bad in refused:
        assert both.status("POST", P, bad)[0] == 400


def test_events_that_violate_a_schema_are_skipped(both: Api) -> None:
    both("POST", P, ORDER)
    events = [
        event(1),
        event(2, payload={"total": "ten"}),
        event(3, payload={}),
        event(4, payload={"total": 1, "note": None, "more": []}),
        event(5, payload={"total": 1, "note": 5}),
        event(6, event_type="other", payload={"total": "ten"}),
    ]
    assert both.service.batch(events) == (202, {"queued": 3, "skipped": 3})
    assert [each.user_id for each in both.segops.events()] == ["user-1", "user-4", "user-6"]
    status, errors = both.service.track(event(7, payload={"total": True}))
    assert (status, set(errors)) == (400, {"payload"})
    assert "total: Expected number." in errors["payload"][0]
    both("DELETE", f"{P}1/")
    assert both.service.track(event(7, payload={"total": True}))[0] == 202


def test_a_payload_too_deep_to_look_into_is_skipped(api: Api) -> None:
    api("POST", P, ORDER)
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    body = b'{"events":[{"user_id":"u","event_type":"order_placed","payload":' + deep + b"}]}"
    assert api.service.post("/api/ingestion/track/batch/", body)[0] in {202, 400}
    assert list(api.segops.events()) == []


def test_at_any_depth_an_event_is_stored_or_skipped(api: Api) -> None:
    api("POST", P, {"event_type": "order_placed", "properties": {"a": "object"}})
    for depth in range(800, 1010):  # somewhere here lies the end of what Python and SQLite can look into
        deep = b'{"a":' * depth + b"{}" + b"}" * depth
        body = b'{"events":[{"user_id":"u","event_type":"order_placed","payload":' + deep + b"}]}"
        status, response = api.service.post("/api/ingestion/track/batch/", body)
        assert status == 400 or response["queued"] + response["skipped"] == 1
    assert 0 < sum(1 for _ in api.segops.events()) < 210


def test_validate(both: Api) -> None:
    ask = {"event_type": "order_placed", "payload": {"total": "x"}}
    assert both("POST", f"{P}validate/", ask) == {"valid": True, "errors": {}, "has_schema": False}
    both("POST", P, ORDER)
    assert both("POST", f"{P}validate/", ask) == {
        "valid": False,
        "errors": {"total": ["Expected number."]},
        "has_schema": True,
    }
    missing = both("POST", f"{P}validate/", {**ask, "payload": {}})
    assert missing["errors"] == {"total": ["This property is required."]}
    assert set(both.status("POST", f"{P}validate/", {"payload": 5})[1]) == {"event_type", "payload"}


def test_infer(both: Api) -> None:
    events = [
        event(1, payload={"total": 1.5, "n": 1, "at": "2026-01-01", "ok": True, "tags": [], "odd": 1, "o": {}}),
        event(2, payload={"total": 2, "n": 2.0, "at": "2026-01-02T10:00:00Z", "odd": "x", "gone": None}),
        event(3, event_type="other", payload={"s": "text"}),
        {"event_type": "other"},
    ]
    response = both("POST", f"{P}infer/", {"events": events})
    types = {name: (each["type"], each["required"]) for name, each in response["properties"].items()}
    assert response["event_type"] == "order_placed"
    assert types == {
        "total": ("number", True),
        "n": ("integer", True),
        "at": ("datetime", True),
        "ok": ("boolean", False),
        "tags": ("array", False),
        "odd": ("any", True),
        "o": ("object", False),
        "gone": ("any", False),
    }
    assert response["schemas"][1]["properties"]["s"] == {"type": "string", "required": False, "description": ""}
    both("POST", P, {"event_type": "order_placed", "properties": response["properties"]})
    nonsense: tuple[Any, ...] = ([], {}, [1], [{"event_type": ""}])
    for bad in nonsense:
        assert set(both.status("POST", f"{P}infer/", {"events": bad})[1]) == {"events"}


def test_required_null_is_a_violation() -> None:
    assert violations({"a": None}, {"a": Property("string", required=True)}) == {"a": ["Expected string."]}
    assert violations({"a": None}, {"a": Property("any", required=True)}) == {}


@pytest.mark.parametrize("value", [1e300, 5, -0.5, True, "x", "a long enough text", [], {}])
def test_what_is_inferred_from_a_value_allows_it(value: object) -> None:
    assert violations({"a": value}, infer_properties([{"a": value}])) == {}
