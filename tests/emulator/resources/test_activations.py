"""Activations sync a segment to a connector."""

from __future__ import annotations

import pytest

from tests.emulator.api_client import Api
from tests.emulator.local_service import event

P = "/activations/"

KLAVIYO = {"connector_type": "klaviyo", "config": {"list_id": "L1", "api_key": "secret-1"}}


def test_an_activation_lives_and_dies_and_keeps_its_secret(both: Api) -> None:
    segment = both.segment()
    made = both("POST", P, {"segment": segment, "status": "active", **KLAVIYO})
    assert (made["status"], made["config"], made["last_synced_at"], made["last_error"]) == (
        "inactive",
        {"list_id": "L1", "api_key": "***"},
        None,
        None,
    )
    shown = both("PATCH", f"{P}1/", {"status": "active", "config": {"list_id": "L2", "api_key": "***"}})
    assert (shown["status"], shown["config"]["list_id"]) == ("active", "L2")
    both("PATCH", f"{P}1/", {"connector_type": "braze", "config": {"rest_endpoint": "https://b", "api_key": "***"}})
    stored = both.segops._database.query("SELECT config FROM activations")[0][0]
    assert "secret-1" in stored
    assert b"secret-1" not in both.ask("GET", P).body
    assert both("GET", P)["results"][0]["config"]["api_key"] == "***"
    assert both.status("DELETE", f"{P}1/") == (204, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"segment": 9}, "segment"),
        ({"segment": "1"}, "segment"),
        ({"segment": 10**30}, "segment"),
        ({"connector_type": "fax"}, "connector_type"),
        ({"config": {"list_id": "L"}}, "config"),
        ({"config": []}, "config"),
        ({"status": "error"}, "status"),
    ],
)
def test_a_bad_activation_is_rejected(api: Api, change: dict[str, object], field: str) -> None:
    segment = api.segment()
    status, errors = api.status("POST", P, {"segment": segment, **KLAVIYO, **change})
    assert (status, set(errors)) == (400, {field})
    assert api("GET", P)["count"] == 0


def sent(api: Api) -> list[tuple[str, str]]:
    return [(each["action"], each["user_id"]) for each in api("GET", f"{P}1/outbox/?page_size=200")["results"]]


def test_a_sync_adds_entrants_and_removes_leavers(both: Api) -> None:
    both.track(event(1), event(2))
    segment = both.segment()
    both("POST", P, {"segment": segment, **KLAVIYO})
    status, log = both.status("POST", f"{P}1/sync/")
    assert (status, log["status"], log["user_count"], log["added"], log["removed"]) == (202, "success", 2, 2, 0)
    assert sent(both) == [("add", "user-1"), ("add", "user-2")]
    assert both("GET", f"{P}1/")["last_synced_at"] == "2026-01-01T00:00:00.000000Z"
    both("PATCH", f"/segments/{segment}/", {"definition": _at_least(2)})
    both.track(event(2), event(3), event(3))
    both.compute(segment)
    assert len(sent(both)) == 2  # it is not active
    both("PATCH", f"{P}1/", {"status": "active"})
    both.compute(segment)
    assert sent(both)[2:] == [("add", "user-3"), ("remove", "user-1")]
    both.compute(segment)
    assert len(sent(both)) == 4
    logs = both("GET", f"{P}1/logs/")
    assert [each["added"] for each in logs["results"]] == [0, 1, 2]


def test_an_empty_segment_clears_the_audience(api: Api) -> None:
    api.track(event(1))
    segment = api.segment()
    api("POST", P, {"segment": segment, "connector_type": "outbox"})
    api("PATCH", f"{P}1/", {"status": "active"})
    api.compute(segment)
    api("PATCH", f"/segments/{segment}/", {"definition": _at_least(99)})
    api.compute(segment)
    assert sent(api) == [("add", "user-1"), ("remove", "user-1")]


def test_a_failed_sync_says_why_and_sends_nothing(both: Api) -> None:
    both.track(event(1))
    segment = both.segment()
    both("POST", P, {"segment": segment, "connector_type": "outbox", "config": {"simulate_error": "list is gone"}})
    both("PATCH", f"{P}1/", {"status": "active"})
    both.compute(segment)
    failed = both("GET", f"{P}1/")
    assert (failed["status"], failed["last_error"], failed["last_synced_at"]) == ("error", "list is gone", None)
    assert sent(both) == []
    both.compute(segment)
    assert both("GET", f"{P}1/logs/")["count"] == 1  # only active ones are synced
    both("PATCH", f"{P}1/", {"config": {}})
    both("POST", f"{P}1/sync/")
    repaired = both("GET", f"{P}1/")
    assert (repaired["status"], repaired["last_error"]) == ("active", None)
    both("DELETE", f"/segments/{segment}/")
    assert both("POST", f"{P}1/sync/")["status"] == "error"
    assert "does not exist" in both("GET", f"{P}1/")["last_error"]
    for action in ("sync", "logs", "outbox"):
        method = "POST" if action == "sync" else "GET"
        assert both.status(method, f"{P}9/{action}/")[0] == 404


def test_analytics_of_activations(both: Api) -> None:
    assert both("GET", "/analytics/activations/") == []
    segment = both.segment()
    both("POST", P, {"segment": segment, "connector_type": "outbox", "config": {"simulate_error": "x"}})
    assert both("GET", "/analytics/activations/")[0]["success_rate"] is None
    both("POST", f"{P}1/sync/")
    both("PATCH", f"{P}1/", {"config": {}})
    for _ in range(6):
        both("POST", f"{P}1/sync/")
    (shown,) = both("GET", "/analytics/activations/")
    assert shown["success_rate"] == pytest.approx(6 / 7)
    assert (shown["segment_id"], shown["segment_name"], shown["member_count"]) == (segment, "Buyers", 0)
    assert len(shown["sync_logs"]) == 5
    assert set(shown["sync_logs"][0]) == {"status", "user_count", "error_message", "synced_at"}


def _at_least(number: int) -> dict[str, object]:
    condition = {"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": number}
    return {"logic": "AND", "conditions": [condition]}
