"""Cases for segments, users and analytics."""

from __future__ import annotations

import json

from tests.compat.vendor_desk import THIS_MONTH, Desk, case, did, fresh

MEMBERS = "SELECT user_id FROM segment_members WHERE segment_id = ? ORDER BY user_id"


@case("segments.preview")
def preview(desk: Desk) -> None:
    event_type = fresh("looked")
    users = [desk.track(fresh("user"), event_type) for _ in range(3)]
    found = desk.call("segments.preview", did(event_type))
    assert found["matched_users"] == 3
    assert found["sample_user_ids"] == sorted(users)
    assert "SELECT" in found["sql"]
    assert desk.column("SELECT user_id FROM events WHERE event_type = ?", event_type) == users


@case("segments.estimate")
def estimate(desk: Desk) -> None:
    event_type = fresh("looked")
    number = desk.segment(event_type, "u-1", "u-2")
    desk.track("u-3", event_type)
    assert desk.call("segments.estimate", number)["estimated_count"] == 3
    assert desk.column(MEMBERS, number) == ["u-1", "u-2"]


@case("segments.versions")
def versions(desk: Desk) -> None:
    number = desk.segment(fresh("looked"))
    desk.api("PATCH", f"/api/segments/{number}/", {"definition": did("changed")})
    found = desk.call("segments.versions", number)
    stored = desk.rows("SELECT version, definition FROM segment_versions WHERE segment_id = ? ORDER BY 1 DESC", number)
    assert [(each["version"], each["definition"]) for each in found] == [(n, json.loads(text)) for n, text in stored]
    assert len(found) == 2


@case("segments.recompute")
def recompute(desk: Desk) -> None:
    event_type = fresh("looked")
    number = desk.segment(event_type, "u-1")
    desk.track("u-2", event_type)
    assert desk.call("segments.recompute", number)["status"] == "queued"
    assert desk.column(MEMBERS, number) == ["u-1", "u-2"]
    assert desk.stored("segments", number)["member_count"] == 2


@case("segments.members")
def members(desk: Desk) -> None:
    number = desk.segment(fresh("looked"), "u-1", "u-2", "u-3")
    first = desk.call("segments.members", number, {"limit": 2})
    second = desk.call("segments.members", number, {"limit": 2, "cursor": first["next_cursor"]})
    paged = desk.call("segments.members", number, {"page": 2, "page_size": 2})
    assert [row["user_id"] for row in first["results"] + second["results"]] == desk.column(MEMBERS, number)
    assert second["next_cursor"] is None
    assert paged["results"] == second["results"]


@case("segments.membership")
def membership(desk: Desk) -> None:
    user = fresh("zoë|/@x")
    numbers = [desk.segment(fresh("looked"), user) for _ in range(2)]
    found = desk.call("segments.membership", user)
    assert [each["id"] for each in found["segments"]] == numbers
    assert desk.column("SELECT segment_id FROM segment_members WHERE user_id = ? ORDER BY 1", user) == numbers


@case("segments.export")
def export(desk: Desk) -> None:
    number = desk.segment(fresh("looked"), "u-1", "u-2")
    job = desk.call("segments.export", number, format="csv")
    assert job["status"] == "pending"
    content = desk.column("SELECT content FROM segment_exports WHERE id = ? AND segment_id = ?", job["id"], number)[0]
    done = desk.call("http.request", "GET", f"/segments/{number}/export/", query={"export_id": job["export_id"]})
    assert (done["status"], done["format"]) == ("complete", "csv")
    file = desk.call("http.request", "GET", done["download_url"].removeprefix("/api"))
    assert file == content.decode()
    assert [line.split(",")[0] for line in file.split()] == ["user_id", *desk.column(MEMBERS, number)]


@case("product_segments.recompute")
def recompute_products(desk: Desk) -> None:
    product = desk.product(colour=(colour := fresh("red")))
    desk.product(colour="blue")
    condition = {"type": "product_attribute", "property": "colour", "operator": "eq", "value": colour}
    definition = {"logic": "AND", "conditions": [condition]}
    made = desk.api("POST", "/api/product-segments/", {"name": fresh("Red"), "definition": definition})
    assert desk.call("product_segments.recompute", made["id"])["status"] == "queued"
    skus = desk.column("SELECT sku FROM product_segment_members WHERE product_segment_id = ?", made["id"])
    assert skus == [product["sku"]]
    assert desk.stored("product_segments", made["id"])["computed_count"] == 1


@case("users.search")
def search(desk: Desk) -> None:
    word = fresh("searched")
    users = [desk.track(f"{word}-{name}@x/y", "order_placed") for name in "abc"]
    found = desk.call("users.search", {"q": word, "limit": 2})
    assert found["count"] == 3
    assert {row["user_id"] for row in found["results"]} < set(users)
    assert len(found["results"]) == 2
    assert len(desk.rows("SELECT 1 FROM events WHERE user_id LIKE ?", f"{word}%")) == 3


@case("users.get")
def profile(desk: Desk) -> None:
    user = desk.track(fresh("a/b?c=d&%2e@é"), "context_identified", plan="pro")
    desk.track(user, "order_placed")
    found = desk.call("users.get", user)
    assert (found["user_id"], found["properties"]) == (user, {"plan": "pro"})
    count = desk.rows("SELECT count(*), count(DISTINCT event_type) FROM events WHERE user_id = ?", user)[0]
    assert (found["event_count"], found["event_type_count"]) == count == (2, 2)


@case("users.events")
def events(desk: Desk) -> None:
    user = fresh("user")
    for total in range(3):
        desk.track(user, "order_placed", total=total)
    desk.track(user, "page_viewed")
    found = desk.call("users.events", user, {"event_type": "order_placed", "limit": 2})
    assert found["count"] == 3
    stored = desk.column("SELECT payload FROM events WHERE user_id = ? AND payload != '{}' ORDER BY id DESC", user)
    assert [row["payload"] for row in found["results"]] == [json.loads(text) for text in stored][:2]


@case("users.segments")
def segments(desk: Desk) -> None:
    user = fresh("user")
    number = desk.segment(fresh("looked"), user, "another")
    found = desk.call("users.segments", user)
    assert [(each["segment_id"], each["member_count"]) for each in found] == [(number, 2)]
    assert user in desk.column(MEMBERS, number)


@case("users.explain")
def explain(desk: Desk) -> None:
    user = fresh("user")
    number = desk.segment(fresh("looked"), user, user)
    (row,) = desk.call("users.explain", user, number)
    assert (row["index"], row["type"], row["actual_value"], row["threshold"]) == (0, "event_count", 2, 1)
    assert row["matches"] is True
    assert len(desk.rows("SELECT 1 FROM events WHERE user_id = ?", user)) == 2


@case("users.publish_sandbox")
def publish_sandbox(desk: Desk) -> None:
    event_type, user = fresh("looked"), fresh("user")
    number = desk.segment(event_type)
    found = desk.call("users.publish_sandbox", {"user_id": user, "event_type": event_type})
    assert found["published"] is True
    assert [each["id"] for each in found["entered"]] == [number]
    assert desk.rows("SELECT 1 FROM events WHERE user_id = ?", user) == []


@case("identity.alias")
def alias(desk: Desk) -> None:
    device, user = fresh("device"), fresh("user")
    desk.call("identity.alias", device, user)
    assert desk.rows("SELECT alias, user_id FROM aliases WHERE alias = ?", f"anon_{device}") == [
        (f"anon_{device}", user)
    ]


@case("identity.merge")
def merge(desk: Desk) -> None:
    old, new = fresh("user"), fresh("user")
    desk.call("identity.merge", old, new)
    assert desk.rows("SELECT alias, user_id FROM aliases WHERE alias = ?", old) == [(old, new)]


@case("analytics.overview")
def overview(desk: Desk) -> None:
    desk.segment(fresh("looked"), "u-1")
    found = desk.call("analytics.overview")
    assert [found["segment_count"]] == desk.column("SELECT count(*) FROM segments")
    assert [found["total_members"]] == desk.column("SELECT count(*) FROM segment_members")
    assert [found["events_30d"]] == desk.column(
        "SELECT count(*) FROM events WHERE occurred_at > date('now', '-30 days')"
    )


@case("analytics.segments")
def segment_trends(desk: Desk) -> None:
    desk.segment(fresh("looked"), "u-1", "u-2")
    found = desk.call("analytics.segments")
    stored = desk.rows("SELECT id, name, member_count FROM segments WHERE is_active ORDER BY id")
    assert sorted((each["id"], each["name"], each["member_count"]) for each in found) == stored
    assert all(len(each["trend"]) == 30 for each in found)


@case("analytics.overlap")
def overlap(desk: Desk) -> None:
    users = [fresh("user") for _ in range(40)]
    pair = [desk.segment(fresh("looked"), *users) for _ in range(2)]
    found = desk.call("analytics.overlap")
    shared = """
        SELECT count(*) FROM segment_members a JOIN segment_members b USING (user_id)
        WHERE a.segment_id = ? AND b.segment_id = ?
    """
    (row,) = [each for each in found if {each["seg_a_id"], each["seg_b_id"]} == set(pair)]
    assert [row["overlap"]] == desk.column(shared, *pair) == [40]
    assert row["overlap_pct"] == 100


@case("analytics.activations")
def activation_figures(desk: Desk) -> None:
    number = desk.segment(fresh("looked"), "u-1")
    made = desk.api("POST", "/api/activations/", {"segment": number, "connector_type": "outbox"})
    desk.api("POST", f"/api/activations/{made['id']}/sync/")
    found = {each["id"]: each for each in desk.call("analytics.activations")}
    assert list(found) == desk.column("SELECT id FROM activations ORDER BY id")
    log = desk.rows("SELECT status, user_count FROM sync_logs WHERE activation_id = ?", made["id"])
    assert [(each["status"], each["user_count"]) for each in found[made["id"]]["sync_logs"]] == log == [("success", 1)]


@case("analytics.usage")
def usage(desk: Desk) -> None:
    desk.track(fresh("user"), "order_placed")
    found = desk.call("analytics.usage")
    assert [found["event_count"]] == desk.column(THIS_MONTH)
    assert found["mtu_computed"] > 0
