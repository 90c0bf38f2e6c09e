"""Explain why a user is in a segment, and what one more event would change."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from segops.emulator.resources.segment_members import segments_of
from segops.emulator.segments.explain import explain_user, would_change
from tests.emulator.segments.segment_desk import Desk, group
from tests.emulator.segments.segment_reference import Happening

COUNT = {"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 2, "window_days": 30}
EVENT = {"type": "event_property", "event_type": "order_placed", "property": "total"}
TRAIT = {"type": "user_property", "property": "plan"}


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.track(
        Happening("u", "page_viewed", desk.now - timedelta(days=4)),
        Happening("u", "order_placed", desk.now - timedelta(days=3.5), {"total": 100}),
        Happening("u", "order_placed", desk.now - timedelta(days=1), {"total": 160.5, "tags": ["a", {"b": None}]}),
        Happening("u", "context_identified", desk.now, {"plan": "pro"}),
    )
    return desk


EXPLAINED: list[tuple[dict[str, Any], str, Any, Any, bool]] = [
    (COUNT, "count(order_placed) ≥ 2 in 30 days", 2, 2, True),
    (
        {"type": "recency", "event_type": "page_viewed", "operator": "gt", "window_days": 3},
        "days since page_viewed > 3",
        4,
        3,
        True,
    ),
    (
        {"type": "recency", "event_type": "never", "operator": "lt", "window_days": 3.5},
        "days since never < 3.5",
        None,
        3.5,
        False,
    ),
    (
        {"type": "monetary", "operator": "gte", "value": 250, "event_type": "order_placed"},
        "sum(order_placed.total) ≥ 250",
        260.5,
        250,
        True,
    ),
    ({"type": "monetary", "operator": "lte", "value": 1.5}, "sum(total) ≤ 1.5", 260.5, 1.5, False),
    ({"type": "monetary", "operator": "neq", "value": 1, "metric": "max"}, "max(total) ≠ 1", 160.5, 1, True),
    ({**EVENT, "operator": "eq", "value": 160.5}, "order_placed.total = 160.5", 160.5, 160.5, True),
    (
        {**EVENT, "property": "tags", "operator": "is_not_set"},
        "order_placed.tags is not set",
        ["a", {"b": None}],
        None,
        False,
    ),
    (
        {**EVENT, "operator": "between", "value": 1, "value2": 9},
        "order_placed.total between 1 and 9",
        160.5,
        [1, 9],
        False,
    ),
    (
        {**EVENT, "operator": "not_between", "value": "a", "value2": "b"},
        'order_placed.total not between "a" and "b"',
        160.5,
        ["a", "b"],
        True,
    ),
    ({**EVENT, "event_type": "never", "operator": "lt", "value": 1}, "never.total < 1", None, 1, False),
    ({**TRAIT, "operator": "in", "value": ["pro"]}, 'user.plan in ["pro"]', "pro", ["pro"], True),
    ({**TRAIT, "operator": "matches_regex", "value": "^p"}, 'user.plan matches "^p"', "pro", "^p", True),
    ({**TRAIT, "property": "age", "operator": "is_set"}, "user.age is set", None, None, False),
    (
        {"type": "event_sequence", "events": ["page_viewed", "order_placed", "page_viewed"], "window_days": 7},
        "page_viewed → order_placed → page_viewed in 7 days",
        2,
        3,
        False,
    ),
    (
        {"type": "event_sequence", "events": ["order_placed"], "window_days": 7, "strict": True},
        "strictly order_placed in 7 days",
        1,
        1,
        True,
    ),
    (
        {"type": "event_sequence", "events": ["order_placed", "page_viewed"], "window_days": 7, "strict": True},
        "strictly order_placed → page_viewed in 7 days",
        1,
        2,
        False,
    ),
    (
        {"type": "event_sequence", "events": ["never", "order_placed"], "window_days": 7},
        "never → order_placed in 7 days",
        0,
        2,
        False,
    ),
]


@pytest.mark.parametrize("explained", EXPLAINED, ids=lambda explained: explained[1])
def test_a_condition_is_explained(desk: Desk, explained: tuple[dict[str, Any], str, Any, Any, bool]) -> None:
    condition, label, actual, threshold, matches = explained
    (row,) = desk.explain(desk.create(group(condition)), "u")
    shown = msgspec.json.decode(msgspec.json.encode(row))
    assert shown == {
        "index": 0,
        "type": condition["type"],
        "label": label,
        "actual_value": actual,
        "threshold": threshold,
        "matches": matches,
    }


def test_membership_is_explained_and_groups_are_flattened(desk: Desk) -> None:
    first = desk.create(group(COUNT))
    desk.compute(first)
    within = {"type": "segment_membership", "segment_id": first, "operator": "in"}
    nested = group(within, group(COUNT, {**within, "operator": "not_in"}, logic="OR"), {**COUNT, "value": 9})
    rows = desk.explain(desk.create(nested), "u")
    assert [(row.index, row.label, row.actual_value, row.matches) for row in rows] == [
        (0, "in segment 1", True, True),
        (1, "count(order_placed) ≥ 2 in 30 days", 2, True),
        (2, "not in segment 1", True, False),
        (3, "count(order_placed) ≥ 9 in 30 days", 2, False),
    ]


def test_who_or_what_is_unknown_has_no_explanation(desk: Desk) -> None:
    segment = desk.create(group(COUNT))
    assert explain_user(desk.segops._database, segment, "nobody", desk.clock.now) is None
    assert explain_user(desk.segops._database, 99, "u", desk.clock.now) is None
    assert desk.explain(desk.create(group()), "u") == []


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 900 + "]" * 900, '"\\u0000"', "1e999"])
def test_a_value_that_json_hardly_holds_is_shown_as_it_came(desk: Desk, value: str) -> None:
    body = '{"user_id":"odd","event_type":"context_identified","payload":{"plan":' + value + "}}"
    assert desk.send("POST", "/api/ingestion/track/", body.encode()).status == 202
    (row,) = desk.explain(desk.create(group({**TRAIT, "operator": "is_set"})), "odd")
    assert row.matches
    assert msgspec.json.encode(row.actual_value) in (value.encode(), b"null")


def test_one_more_event_is_tried_and_nothing_stays(desk: Desk) -> None:
    entered = desk.create(group({**COUNT, "value": 3}), "Three")
    exited = desk.create(group({**COUNT, "operator": "lt", "value": 3}), "Fewer")
    desk.create(group(COUNT), "Two")
    desk.create(group({**COUNT, "value": 3}), "Asleep", is_active=False)
    for segment in (entered, exited):
        desk.compute(segment)
    before = desk.segops._database.query("SELECT * FROM events")

    def store(connection: sqlite3.Connection) -> str:
        connection.execute(
            "INSERT INTO events (user_id, event_type, occurred_at, received_at, payload) VALUES "
            "('u', 'order_placed', '2026-01-01T00:00:00.000000Z', '', '{}')"
        )
        return "u"

    change = would_change(desk.segops._database, store, desk.clock.now)
    assert change == ([(entered, "Three")], [(exited, "Fewer")], 1)
    assert desk.segops._database.query("SELECT * FROM events") == before

    def fail(connection: sqlite3.Connection) -> str:
        store(connection)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        would_change(desk.segops._database, fail, desk.clock.now)
    assert desk.segops._database.query("SELECT * FROM events") == before


def test_the_segments_of_a_user_are_those_computed(desk: Desk) -> None:
    segment = desk.create(group(COUNT), "Two")
    assert segments_of(desk.segops._database, "u") == []
    desk.compute(segment)
    (found,) = segments_of(desk.segops._database, "u")
    assert (found.segment_id, found.segment_name, found.member_count) == (segment, "Two", 1)
    assert found.computed_at == "2026-01-01T00:00:00.000000Z"
