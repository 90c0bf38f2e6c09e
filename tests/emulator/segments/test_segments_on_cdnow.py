"""Definitions on the real CDNOW purchases, compared with an independent evaluation."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.segments.segment_desk import Desk, group
from tests.emulator.segments.segment_reference import Happening, World

DATA = Path(__file__).parents[3] / "examples" / "data" / "cdnow_sample.txt"

END = datetime(1998, 7, 1, tzinfo=timezone.utc)


def purchases() -> list[Happening]:
    events = []
    for line in DATA.read_text().splitlines():
        _, user, day, quantity, total = line.split()
        at = datetime.strptime(day, "%Y%m%d").replace(tzinfo=timezone.utc)
        payload = {"total": float(total), "quantity": int(quantity), "currency": "USD"}
        events.append(Happening(f"cdnow-{user}", "order_placed", at, payload))
    return events


@pytest.fixture(scope="module")
def shop() -> tuple[Desk, World]:
    desk = Desk()
    desk.clock.now = END.timestamp()
    events = purchases()
    desk.track(*events)
    return desk, desk.world(events)


def count(operator: str, value: float, **more: object) -> dict[str, Any]:
    return {"type": "event_count", "event_type": "order_placed", "operator": operator, "value": value, **more}


def recency(operator: str, days: float) -> dict[str, Any]:
    return {"type": "recency", "event_type": "order_placed", "operator": operator, "window_days": days}


def money(operator: str, value: float, **more: object) -> dict[str, Any]:
    return {"type": "monetary", "operator": operator, "value": value, **more}


def latest(name: str, operator: str, value: object = None, value2: object = None) -> dict[str, Any]:
    return {
        "type": "event_property",
        "event_type": "order_placed",
        "property": name,
        "operator": operator,
        "value": value,
        "value2": value2,
    }


def sequence(*events: str, days: float = 1000, strict: bool = False) -> dict[str, Any]:
    return {"type": "event_sequence", "events": list(events), "window_days": days, "strict": strict}


ORDERS = {"event_type": "order_placed", "property": "total"}
DEFINITIONS = {
    "all buyers": group(count("gte", 1)),
    "one order": group(count("eq", 1)),
    "not one order": group(count("neq", 1)),
    "more than ten orders": group(count("gt", 10)),
    "at most two": group(count("lte", 2)),
    "under 1.5": group(count("lt", 1.5)),
    "none in half a year": group(count("eq", 0, window_days=180)),
    "two in the last 90 days": group(count("gte", 2, window_days=90)),
    "other event": group({**count("eq", 0), "event_type": "page_viewed"}),
    "lapsed for a year": group(recency("gt", 365)),
    "active this month": group(recency("lt", 30)),
    "active for a month and a half a day": group(recency("lt", 30.5)),
    "lapsed for half a day more": group(recency("gt", 365.5)),
    "never a fraction of days": group(recency("eq", 100.5)),
    "exactly 100 days ago": group(recency("eq", 100)),
    "never viewed a page": group({**recency("gt", 1), "event_type": "page_viewed"}),
    "the bare form of the seed": group(money("gte", 250)),
    "spent over 500": group(money("gt", 500, **ORDERS, metric="sum")),
    "spent 29.33 exactly": group(money("eq", 29.33, **ORDERS)),
    "spent 74.02 over three orders": group(money("eq", 74.02, **ORDERS), count("eq", 3)),
    "average below 15": group(money("lt", 15, **ORDERS, metric="avg")),
    "one order above 150": group(money("gte", 150, **ORDERS, metric="max")),
    "bought 5 discs at once": group(money("eq", 5, event_type="order_placed", property="quantity", metric="max")),
    "spent in the last 60 days": group(money("gt", 100, window_days=60)),
    "average of nothing": group(money("neq", 1, property="nothing", metric="avg")),
    "last order between 20 and 30": group(latest("total", "between", 20, 30)),
    "last order outside": group(latest("total", "not_between", 5, 300)),
    "last order of 1, 2 or 3 discs": group(latest("quantity", "in", [1, 2, 3])),
    "last order of many": group(latest("quantity", "not_in", [1, 2, 3])),
    "last total is text": group(latest("total", "contains", "9")),
    "currency": group(latest("currency", "eq", "USD"), latest("currency", "starts_with", "U")),
    "three in a row": group(sequence("order_placed", "order_placed", "order_placed")),
    "two strictly in a quarter": group(sequence("order_placed", "order_placed", days=90, strict=True)),
    "champions": group(money("gte", 300), count("gte", 5), recency("lt", 90)),
    "at risk": group(group(money("gte", 300), count("gte", 5, window_days=400), logic="OR"), recency("gt", 180)),
    "either": group(money("gte", 1000), count("eq", 1), latest("total", "eq", 14.96), logic="OR"),
    "nested twice": group(group(group(count("gte", 2)), recency("gt", 300), logic="OR"), money("lt", 100)),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_members_are_those_of_an_independent_evaluation(shop: tuple[Desk, World], name: str) -> None:
    desk, world = shop
    definition = DEFINITIONS[name]
    expected = world.members(definition)
    status, response = desk.ask("POST", "/api/segments/preview/", {"definition": definition})
    assert (status, response["matched_users"]) == (200, len(expected))
    assert response["sample_user_ids"] == expected[:10]
    segment = desk.create(definition, name)
    desk.compute(segment)
    assert desk.stored_members(segment) == expected
    assert desk.get(f"/api/segments/{segment}/")["member_count"] == len(expected)


def test_some_definitions_split_the_buyers(shop: tuple[Desk, World]) -> None:
    _, world = shop
    sizes = {name: len(world.members(definition)) for name, definition in DEFINITIONS.items()}
    assert len(world.by_user) == 2357
    assert sum(0 < size < 2357 for size in sizes.values()) > 25, sizes


def test_explain_agrees_with_membership(shop: tuple[Desk, World]) -> None:
    desk, world = shop
    definition = DEFINITIONS["champions"]
    segment = desk.create(definition)
    for user in sorted(world.by_user)[:200]:
        rows = desk.explain(segment, user)
        assert [row.matches for row in rows] == [world.holds(each, user) for each in definition["conditions"]]
        assert [row.threshold for row in rows] == [300, 5, 90]
        spent, orders, _ = (row.actual_value for row in rows)
        history = world.by_user[user]
        assert orders == len(history)
        assert spent == pytest.approx(sum(event.payload["total"] for event in history))
