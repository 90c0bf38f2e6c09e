"""Analytics of the tenant."""

from __future__ import annotations

import pytest

from tests.emulator.api_client import Api
from tests.emulator.local_service import event

DAY = 86_400


def test_overview(both: Api) -> None:
    assert both("GET", "/analytics/overview/") == {
        "segment_count": 0,
        "total_members": 0,
        "events_30d": 0,
        "ai_credits_used": 0,
        "ai_credits_limit": -1,
    }
    both.track(event(1), event(2), event(3, occurred_at="2025-11-01T00:00:00Z"))
    both.segment()
    both.segment("Again")
    both("POST", "/ai-reach/simulate/", {"query_text": "a", "providers": ["grok"]})
    assert both("GET", "/analytics/overview/") == {
        "segment_count": 2,
        "total_members": 6,
        "events_30d": 2,
        "ai_credits_used": 1,
        "ai_credits_limit": -1,
    }


def test_the_trend_of_a_segment(both: Api) -> None:
    both.track(event(1))
    segment = both.segment()
    both.segment("Asleep", is_active=False)
    both.clock.now += 3 * DAY
    both.track(event(2), event(3))
    both.compute(segment)
    both.clock.now += DAY
    (shown,) = both("GET", "/analytics/segments/")
    assert (shown["id"], shown["name"], shown["member_count"]) == (segment, "Buyers", 3)
    assert len(shown["trend"]) == 30
    assert shown["trend"][0] == {"day": "2025-12-07", "count": 0}
    assert [each["count"] for each in shown["trend"][-6:]] == [0, 1, 1, 1, 3, 3]
    assert shown["trend"][-1]["day"] == "2026-01-05"


def test_overlap(both: Api) -> None:
    assert both("GET", "/analytics/overlap/") == []
    both.track(event(1), event(2), event(3), event(1, event_type="liked"), event(9, event_type="liked"))
    a, b = both.segment("A"), both.segment("B", "liked")
    both.segment("C", "never")
    assert both("GET", "/analytics/overlap/") == [
        {"seg_a_id": a, "seg_a_name": "A", "seg_b_id": b, "seg_b_name": "B", "overlap": 1, "overlap_pct": 50.0}
    ]


def test_usage_counts_tracked_users_of_the_month(both: Api) -> None:
    both.track(
        event(1),
        event(1),
        {"user_id": "anon_often", "event_type": "e"},
        {"user_id": "anon_often", "event_type": "e"},
        {"user_id": "anon_often", "event_type": "e"},
        {"user_id": "anon_once", "event_type": "e"},
        {"user_id": "anonymous", "event_type": "e"},
        {"user_id": "anon_dev", "event_type": "e"},
        event(2, anonymous_id="dev"),
        event(3, occurred_at="2025-12-31T23:59:59Z"),
    )
    usage = both("GET", "/analytics/usage/")
    assert usage["mtu_computed"] == 3
    assert (usage["event_count"], usage["period_start"], usage["period_end"]) == (9, "2026-01-01", "2026-02-01")


@pytest.mark.parametrize("name", ["overview", "segments", "overlap", "activations", "usage"])
def test_analytics_are_read_only(api: Api, name: str) -> None:
    assert api.status("POST", f"/analytics/{name}/", {})[0] == 405
