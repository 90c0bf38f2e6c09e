"""Create, change, preview, compute, page through, and export segments."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import pytest

from segops.core import Request, SegOpsConfigError
from segops.emulator import LocalSegOps
from segops.emulator.database import Database
from segops.emulator.segments.compute import Recomputed, recompute
from tests.emulator.local_service import START
from tests.emulator.segments.segment_desk import PREFIX, Desk, group
from tests.emulator.segments.segment_reference import Happening

BUYERS = group({"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 1})
BIG = group({"type": "monetary", "operator": "gte", "value": 250})


@pytest.fixture
def desk() -> Desk:
    return Desk()


def order(desk: Desk, user: str, total: float = 10.0) -> None:
    desk.track(Happening(user, "order_placed", desk.now, {"total": total}))


def test_a_segment_is_created_changed_listed_and_deleted(desk: Desk) -> None:
    status, made = desk.ask("POST", PREFIX, {"name": "Big", "definition": BIG, "tenant": 1, "id": 99})
    assert status == 201
    assert {name: made[name] for name in made if name not in {"created_at", "updated_at"}} == {
        "id": 1,
        "name": "Big",
        "description": "",
        "definition": BIG,
        "segment_type": "rule",
        "is_active": True,
        "member_count": 0,
        "last_computed_at": None,
    }
    desk.clock.now += 1
    status, changed = desk.ask("PATCH", f"{PREFIX}1/", {"name": "Bigger", "is_active": False})
    assert (status, changed["name"], changed["definition"], changed["is_active"]) == (200, "Bigger", BIG, False)
    assert changed["updated_at"] > made["updated_at"] == made["created_at"]
    assert desk.get(f"{PREFIX}1/") == changed
    assert desk.get(PREFIX)["results"] == [changed]
    desk.compute(1)
    assert desk.ask("DELETE", f"{PREFIX}1/") == (204, None)
    assert desk.ask("GET", f"{PREFIX}1/") == (404, {"detail": "Not found."})
    for table in ("segment_versions", "segment_members", "segment_history", "segment_exports"):
        assert not desk.segops._database.query(f"SELECT 1 FROM {table}")


def test_a_draft_without_a_definition_matches_nobody(desk: Desk) -> None:
    order(desk, "u")
    status, made = desk.ask("POST", PREFIX, {"name": "Draft"})
    assert (status, made["definition"]) == (201, {"logic": "AND", "conditions": []})
    desk.compute(1)
    assert desk.stored_members(1) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": 1}, "name"),
        ({"name": "S", "segment_type": "magic"}, "segment_type"),
        ({"name": "S", "is_active": "yes"}, "is_active"),
        ({"name": "S", "definition": []}, "definition"),
        (
            {"name": "S", "definition": group({"type": "segment_membership", "segment_id": 7, "operator": "in"})},
            "definition",
        ),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(desk: Desk, body: dict[str, Any], field: str) -> None:
    status, errors = desk.ask("POST", PREFIX, body)
    assert (status, list(errors)) == (400, [field])
    assert desk.get(PREFIX)["count"] == 0


def test_each_saved_definition_is_a_version(desk: Desk) -> None:
    segment = desk.create(BUYERS)
    desk.clock.now += 60
    desk.ask("PATCH", f"{PREFIX}{segment}/", {"name": "Renamed"})
    desk.ask("PATCH", f"{PREFIX}{segment}/", {"definition": BIG})
    desk.ask("PATCH", f"{PREFIX}{segment}/", {"definition": {"logic": "XOR"}})
    versions = desk.get(f"{PREFIX}{segment}/versions/")
    assert [(each["version"], each["definition"]) for each in versions] == [(2, BIG), (1, BUYERS)]
    assert versions[0]["created_at"] > versions[1]["created_at"]
    assert desk.ask("GET", f"{PREFIX}9/versions/")[0] == 404


def test_preview_and_estimate_store_nothing(desk: Desk) -> None:
    for number in range(15):
        order(desk, f"u{number:02}")
    status, response = desk.ask("POST", f"{PREFIX}preview/", {"definition": BUYERS})
    assert (status, response["matched_users"]) == (200, 15)
    assert response["sample_user_ids"] == [f"u{number:02}" for number in range(10)]
    rows = desk.segops._database._connection.execute(response["sql"], response["params"]).fetchall()  # type: ignore[union-attr]
    assert len(rows) == 15
    short = desk.ask("POST", f"{PREFIX}preview/", {"definition": BUYERS, "limit": 3})[1]
    assert len(short["sample_user_ids"]) == 3
    assert desk.get(PREFIX)["count"] == 0
    segment = desk.create(BUYERS)
    assert desk.ask("POST", f"{PREFIX}{segment}/estimate/") == (200, {"id": segment, "estimated_count": 15})
    assert desk.get(f"{PREFIX}{segment}/")["last_computed_at"] is None
    assert desk.ask("POST", f"{PREFIX}9/estimate/")[0] == 404


def test_a_computation_is_done_at_once_or_after_the_delay() -> None:
    quick, slow = Desk(), Desk(compute_delay=5)
    for desk in (quick, slow):
        order(desk, "u")
        desk.create(BUYERS)
        desk.compute(1)
    assert quick.get(f"{PREFIX}1/")["member_count"] == 1
    slow.clock.now += 4
    slow.compute(1)  # does not start the delay again
    assert slow.get(f"{PREFIX}1/")["last_computed_at"] is None
    slow.clock.now += 1
    slow.segops.run_pending()
    assert slow.stored_members(1) == ["u"]
    assert slow.get(f"{PREFIX}1/")["last_computed_at"].startswith("2026-01-01T00:00:05")
    assert slow.ask("POST", f"{PREFIX}9/compute/") == (404, {"detail": "Not found."})
    with pytest.raises(SegOpsConfigError, match="compute_delay"):
        LocalSegOps(compute_delay=-1)


def test_who_enters_and_leaves_is_reported_after_each_recompute(desk: Desk) -> None:
    reported: list[Recomputed] = []

    def broken(_: Database, __: Recomputed) -> None:
        raise RuntimeError("a hook fails")

    desk.segops.after_recompute[:] = [broken, lambda _, done: reported.append(done)]
    recent = group({"type": "recency", "event_type": "order_placed", "operator": "lt", "window_days": 2})
    segment = desk.create(recent, "Fresh")
    order(desk, "a")
    order(desk, "b")
    desk.compute(segment)
    desk.clock.now += 2 * 86400
    order(desk, "c")
    desk.compute(segment)
    assert [(each.entered, each.exited, each.member_count) for each in reported] == [
        (("a", "b"), (), 2),
        (("c",), ("a", "b"), 1),
    ]
    assert (reported[0].segment_name, reported[0].computed_at) == ("Fresh", "2026-01-01T00:00:00.000000Z")
    counts = desk.get(f"{PREFIX}{segment}/history/")
    assert [each["member_count"] for each in counts] == [2, 1]
    desk.clock.now += 29 * 86400
    assert [each["member_count"] for each in desk.get(f"{PREFIX}{segment}/history/")] == [1]
    assert recompute(desk.segops._database, 99, START) is None


def test_aliases_are_resolved_when_read(desk: Desk) -> None:
    desk.track(Happening("anon_d", "order_placed", desk.now, {"total": 200}))
    desk.track(Happening("u", "order_placed", desk.now, {"total": 60}))
    segment = desk.create(BIG)
    desk.compute(segment)
    assert desk.stored_members(segment) == []
    desk.track(Happening("u", "page_viewed", desk.now), anonymous_id="d")
    assert desk.preview(BIG) == ["u"]
    assert desk.explain(segment, "anon_d") == desk.explain(segment, "u")
    assert desk.explain(segment, "u")[0].actual_value == 260
    anonymous = group({"type": "event_count", "event_type": "order_placed", "operator": "eq", "value": 1})
    assert desk.preview(anonymous) == []


def test_the_membership_of_a_user_follows_a_later_identification(desk: Desk) -> None:
    order(desk, "anon_d")
    first, second = desk.create(BUYERS, "One"), desk.create(BUYERS, "Two")
    desk.create(BIG, "Three")
    desk.compute(first)
    desk.track(Happening("u", "page_viewed", desk.now), anonymous_id="d")
    desk.compute(second)
    response = desk.get(f"{PREFIX}membership/?user_id=u")
    assert response["user_id"] == "u"
    assert [(each["id"], each["name"]) for each in response["segments"]] == [(1, "One"), (2, "Two")]
    assert all(each["computed_at"] for each in response["segments"])
    assert desk.get(f"{PREFIX}membership/?user_id=anon_d")["segments"] == response["segments"]
    assert desk.get(f"{PREFIX}membership/?user_id=nobody")["segments"] == []
    assert desk.ask("GET", f"{PREFIX}membership/")[0] == 400
    within = group({"type": "segment_membership", "segment_id": first, "operator": "in"})
    assert desk.preview(within) == ["u"]


def test_members_are_paged_by_number_and_by_cursor(desk: Desk) -> None:
    users = [f"ü{number:03}" for number in range(7)]
    for user in users:
        order(desk, user)
    segment = desk.create(BUYERS)
    desk.compute(segment)
    path = f"{PREFIX}{segment}/members/"
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = desk.get(f"{path}?limit=3&cursor={cursor}")
        found += [each["user_id"] for each in page["results"]]
        cursor = page["next_cursor"]
        assert (page["count"], page["previous"]) == (7, None)
    assert found == users
    assert all(each["computed_at"] == "2026-01-01T00:00:00.000000Z" for each in page["results"])
    found.clear()
    url: str | None = f"{path}?page=1&page_size=3"
    while url:
        page = desk.get(url)
        found += [each["user_id"] for each in page["results"]]
        assert bool(page["next"]) == bool(page["next_cursor"])
        url = page["next"] and page["next"].removeprefix("http://localhost")
    assert found == users
    linked = desk.get(f"{path}?limit=5")["next"].removeprefix("http://localhost")
    assert [each["user_id"] for each in desk.get(linked)["results"]] == users[5:]
    assert desk.ask("GET", f"{path}?cursor=%21") == (404, {"detail": "Invalid cursor."})
    assert desk.ask("GET", f"{path}?page=4&page_size=3") == (404, {"detail": "Invalid page."})
    assert desk.ask("GET", f"{PREFIX}9/members/")[0] == 404


def test_lists_have_pages_with_absolute_links(desk: Desk) -> None:
    for number in range(120):
        desk.create(BUYERS, f"S{number}")
    first = desk.get(PREFIX)
    assert (first["count"], first["previous"], len(first["results"])) == (120, None, 50)
    assert first["next"] == "http://localhost/api/segments/?page=2"
    named = json.loads(desk.send("GET", f"{PREFIX}?page=2&page_size=50", Host="127.0.0.1:8000").body)
    assert named["next"] == "http://127.0.0.1:8000/api/segments/?page=3&page_size=50"
    assert named["previous"] == "http://127.0.0.1:8000/api/segments/?page=1&page_size=50"
    last = desk.get(f"{PREFIX}?page=last")
    assert ([each["name"] for each in last["results"]], last["next"]) == ([f"S{n}" for n in range(100, 120)], None)
    assert len(desk.get(f"{PREFIX}?page_size=1000")["results"]) == 120
    assert len(desk.get(f"{PREFIX}?page_size=nonsense")["results"]) == 50
    for page in ("4", "0", "-1", "x", "", "9" * 30):
        assert desk.ask("GET", f"{PREFIX}?page={page}") == (404, {"detail": "Invalid page."})


def test_an_export_is_started_polled_and_downloaded() -> None:
    desk = Desk(compute_delay=2)
    users = ["a,b", 'quote"d', "line\nbreak", "ünïcode"]
    for user in users:
        order(desk, user)
    segment = desk.create(BUYERS)
    desk.compute(segment)
    desk.clock.now += 2
    status, started = desk.ask("POST", f"{PREFIX}{segment}/export/")
    assert (status, started) == (202, {"export_id": 1, "id": 1, "status": "pending"})
    poll = f"{PREFIX}{segment}/export/?export_id=1"
    order(desk, "z")  # is not in the snapshot
    assert desk.get(poll)["status"] == "pending"
    assert desk.ask("GET", f"{PREFIX}exports/1/download/")[0] == 404
    desk.clock.now += 2
    done = desk.get(poll)
    assert (done["id"], done["status"], done["format"]) == (1, "complete", "csv")
    assert (done["download_url"], done["expires_at"]) == ("/api/segments/exports/1/download/", "2026-01-01T01:00:04Z")
    file = desk.send("GET", done["download_url"])
    assert file.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(file.body.decode(), newline="")))
    assert rows == [["user_id", "computed_at"], *([user, "2026-01-01T00:00:02.000000Z"] for user in sorted(users))]
    assert desk.segops.handle(Request("GET", done["download_url"])).status == 401
    desk.clock.now += timedelta(hours=1).total_seconds()
    assert desk.ask("GET", poll)[0] == 404
    assert desk.ask("GET", done["download_url"])[0] == 404


def test_an_export_that_cannot_be_is_rejected(desk: Desk) -> None:
    segment = desk.create(BUYERS)
    assert desk.ask("POST", f"{PREFIX}9/export/")[0] == 404
    assert list(desk.ask("POST", f"{PREFIX}{segment}/export/", {"format": "xml"})[1]) == ["format"]
    for export_id in ("", "x", "\u0661", "-1"):
        assert desk.ask("GET", f"{PREFIX}{segment}/export/?export_id={export_id}")[0] == 400
    assert desk.ask("GET", f"{PREFIX}{segment}/export/?export_id=7")[0] == 404


@pytest.mark.skipif(find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_the_extra_says_what_to_install(desk: Desk) -> None:
    segment = desk.create(BUYERS)
    status, errors = desk.ask("POST", f"{PREFIX}{segment}/export/", {"format": "parquet"})
    assert status == 400
    assert "segops-sdk[parquet]" in errors["format"][0]


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet_has_the_columns_of_csv(desk: Desk) -> None:
    from pyarrow import parquet  # noqa: PLC0415 - an extra

    order(desk, "ü")
    segment = desk.create(BUYERS)
    desk.compute(segment)
    export = desk.ask("POST", f"{PREFIX}{segment}/export/", {"format": "parquet"})[1]["id"]
    file = desk.send("GET", f"{PREFIX}exports/{export}/download/")
    table = parquet.read_table(io.BytesIO(file.body))
    assert table.to_pylist() == [{"user_id": "ü", "computed_at": "2026-01-01T00:00:00.000000Z"}]


def test_only_a_secret_key_may_look(desk: Desk) -> None:
    for key in ("", f"ApiKey {desk.segops.public_key}"):
        for path in (PREFIX, f"{PREFIX}1/members/", "/api/product-segments/"):
            response = desk.send("GET", path, Authorization=key)
            assert response.status == (403 if key else 401)
