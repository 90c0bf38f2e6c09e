"""The explorer, the sandbox, and identity."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segops.emulator import LocalSegOps
from tests.emulator.api_client import Api
from tests.emulator.local_service import Clock, Service, event

P = "/explorer/users/"

ODD = "zoë/../x@example.org?a=1&b#c%2F"


def path(user_id: str) -> str:
    return f"{P}{quote(user_id, safe='')}/"


def test_search(both: Api) -> None:
    both.track(*(event(n, occurred_at=f"2025-01-{n:02}T00:00:00Z") for n in range(1, 26)))
    both.track(event(1, occurred_at="2025-06-01T00:00:00Z"), {"user_id": "Zoë", "event_type": "e"})
    found = both("GET", P)
    assert (found["count"], len(found["results"])) == (26, 20)
    assert [each["user_id"] for each in found["results"][:3]] == ["Zoë", "user-1", "user-25"]
    assert found["results"][1] == {
        "user_id": "user-1",
        "event_count": 2,
        "first_seen": "2025-01-01T00:00:00.000000Z",
        "last_seen": "2025-06-01T00:00:00.000000Z",
    }
    assert [each["user_id"] for each in both("GET", f"{P}?q=ZO%C3%8B")["results"]] == ["Zoë"]
    assert both("GET", f"{P}?q=ser-2&limit=2")["count"] == 7
    assert len(both("GET", f"{P}?q=ser-2&limit=2")["results"]) == 2
    assert both("GET", f"{P}?q=%25") == {"count": 0, "results": []}


def test_a_profile_with_the_latest_traits(both: Api) -> None:
    both.track(
        {"user_id": ODD, "event_type": "context_identified", "payload": {"plan": "free", "age": 5}},
        {"user_id": ODD, "event_type": "context_identified", "payload": {"plan": "pro"}},
        {"user_id": ODD, "event_type": "context_identified", "payload": {"old": 1}, "occurred_at": "2020-01-01"},
        {"user_id": ODD, "event_type": "page_viewed"},
    )
    assert both("GET", path(ODD)) == {
        "user_id": ODD,
        "event_count": 4,
        "event_type_count": 2,
        "first_seen": "2020-01-01T00:00:00.000000Z",
        "last_seen": "2026-01-01T00:00:00.000000Z",
        "properties": {"plan": "pro"},
    }
    both.track(event(1))
    assert both("GET", path("user-1"))["properties"] == {}


def test_events_of_a_user(both: Api) -> None:
    both.track(*(event(1, occurred_at=f"2025-01-{n:02}", payload={"n": n}) for n in range(1, 31)))
    both.track({"user_id": "user-1", "event_type": "page_viewed"})
    everything = both("GET", f"{path('user-1')}events/")
    assert everything["count"] == 31
    assert everything["results"][0] == {
        "event_type": "page_viewed",
        "occurred_at": "2026-01-01T00:00:00.000000Z",
        "payload": {},
    }
    orders = both("GET", f"{path('user-1')}events/?event_type=order_placed&limit=2")
    assert [each["payload"]["n"] for each in orders["results"]] == [30, 29]
    assert both("GET", f"{path('user-1')}events/?since=2025-01-30T00:00:00Z")["count"] == 2
    assert set(both.status("GET", f"{path('user-1')}events/?since=soon")[1]) == {"since"}


def test_segments_of_a_user_and_why(both: Api) -> None:
    both.track(event(1), event(2, event_type="other"))
    segment = both.segment()
    assert both("GET", f"{path('user-1')}segments/") == [
        {
            "segment_id": segment,
            "segment_name": "Buyers",
            "member_count": 1,
            "computed_at": "2026-01-01T00:00:00.000000Z",
        }
    ]
    assert both("GET", f"{path('user-2')}segments/") == []
    (row,) = both("GET", f"{path('user-1')}segments/{segment}/explain/")
    assert set(row) == {"index", "type", "label", "actual_value", "threshold", "matches"}
    assert (row["index"], row["type"], row["matches"]) == (0, "event_count", True)
    (row,) = both("GET", f"{path('user-2')}segments/{segment}/explain/")
    assert row["matches"] is False
    assert both.status("GET", f"{path('user-1')}segments/99/explain/") == (404, {"detail": "Not found."})


@pytest.mark.parametrize("tail", ["", "events/", "segments/", "segments/1/explain/"])
def test_an_unknown_user_is_404(both: Api, tail: str) -> None:
    both.segment()
    for user_id in ("ghost", "anonymous", ODD, "%", "a\0b"):
        assert both.status("GET", f"{path(user_id)}{tail}") == (404, {"detail": "Not found."})


def test_what_a_visitor_did_belongs_to_the_user(both: Api) -> None:
    both.track({"user_id": "anon_dev", "event_type": "page_viewed"}, event(1, anonymous_id="dev"))
    for user_id in ("user-1", "anon_dev"):
        found = both("GET", path(user_id))
        assert (found["user_id"], found["event_count"]) == ("user-1", 2)
    assert both("GET", P)["count"] == 1


def test_the_sandbox_stores_nothing(both: Api) -> None:
    both.track(event(1, event_type="signed_up"))
    segment = both.segment()
    both.segment("Others", "signed_up")
    both.segment("Asleep", is_active=False)
    response = both("POST", "/explorer/sandbox/publish/", event(1, anonymous_id="dev"))
    assert response == {
        "published": True,
        "entered": [{"id": segment, "name": "Buyers"}],
        "exited": [],
        "unchanged_count": 1,
    }
    assert len(list(both.segops.events())) == 1
    assert both.segops.aliases() == {}
    assert both("GET", f"{path('user-1')}segments/")[0]["segment_name"] == "Others"
    assert set(both.status("POST", "/explorer/sandbox/publish/", {"user_id": 1})[1]) == {"user_id", "event_type"}


def test_the_sandbox_rejects_what_ingestion_rejects(api: Api) -> None:
    api("POST", "/schemas/", {"event_type": "order_placed", "properties": {"total": "number"}})
    assert api.status("POST", "/explorer/sandbox/publish/", event(1, payload={"total": "x"}))[0] == 400


@pytest.mark.usefixtures("deep_recursion")
def test_the_sandbox_rejects_what_sqlite_cannot_read_back(api: Api) -> None:
    deep = b'{"user_id":"u","event_type":"e","payload":' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}"
    assert api.status("POST", "/explorer/sandbox/publish/", deep)[0] == 400
    assert api("GET", P)["count"] == 0


def test_an_alias_is_recorded_once(both: Api) -> None:
    first = both("POST", "/identity/alias/", {"anonymous_id": "dev", "user_id": "u1"})
    assert first == {"alias": "anon_dev", "user_id": "u1", "created": True}
    again = both("POST", "/identity/alias/", {"anonymous_id": "anon_dev", "user_id": "u2"})
    assert again == {"alias": "anon_dev", "user_id": "u1", "created": False}
    assert both.segops.aliases() == {"anon_dev": "u1"}
    assert set(both.status("POST", "/identity/alias/", {})[1]) == {"anonymous_id", "user_id"}
    assert both.status("POST", "/identity/alias/", {"anonymous_id": "d", "user_id": "anonymous"})[0] == 400


def test_a_merge_overrides_and_is_resolved_on_read(both: Api) -> None:
    both.track(event(1, anonymous_id="dev"), event(2), event(3))
    assert both("POST", "/identity/merge/", {"from_user_id": "user-1", "into_user_id": "user-2"}) == {
        "from_user_id": "user-1",
        "into_user_id": "user-2",
        "merged": True,
    }
    assert both("GET", path("user-1"))["event_count"] == 2
    assert both("GET", P)["count"] == 2
    both("POST", "/identity/merge/", {"from_user_id": "user-2", "into_user_id": "user-3"})
    assert both("GET", path("anon_dev"))["user_id"] == "user-3"
    assert set(both.segops.aliases().values()) == {"user-3"}
    both("POST", "/identity/merge/", {"from_user_id": "user-1", "into_user_id": "new"})
    assert both.segops.aliases()["user-1"] == "new"
    both.track(event(1, anonymous_id="phone"))  # recorded after the merge: it leads to the end at once
    assert both.segops.aliases()["anon_phone"] == "new"
    assert next(both.segops.events()).user_id == "user-1"  # never rewritten


@pytest.mark.parametrize(("source", "target"), [("a", "a"), ("b", "a"), ("anonymous", "a"), ("a", "anonymous")])
def test_a_merge_in_a_circle_or_of_nobody_is_rejected(api: Api, source: str, target: str) -> None:
    api("POST", "/identity/merge/", {"from_user_id": "a", "into_user_id": "b"})
    before = api.segops.aliases()
    assert api.status("POST", "/identity/merge/", {"from_user_id": source, "into_user_id": target})[0] == 400
    assert api.segops.aliases() == before


IDS = st.sampled_from(["a", "b", "c", "anon_a", "anon_x", "anonymous", "x"])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["alias", "merge", "event"]), IDS, IDS), max_size=12))
def test_edges_stay_flat_whatever_is_recorded(steps: list[tuple[str, str, str]]) -> None:
    clock = Clock()
    with LocalSegOps(clock=clock) as segops:
        api = Api(Service(segops, clock, segops.handle))
        for kind, one, other in steps:
            body: Any = {"anonymous_id": one, "user_id": other, "from_user_id": one, "into_user_id": other}
            if kind == "event":
                api.track({"user_id": other, "event_type": "e", "anonymous_id": one})
            else:
                assert api.status("POST", f"/identity/{kind}/", body)[0] in {200, 400}
        edges = segops.aliases()
        assert not edges.keys() & set(edges.values())
        assert "anonymous" not in edges.values()
