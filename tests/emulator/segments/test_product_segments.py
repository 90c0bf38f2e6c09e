"""Product segments: attributes of products, and behavior of segment members."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.segments.segment_desk import Desk, group
from tests.emulator.segments.segment_reference import MISSING, OPPOSITES, Happening, suits

PATH = "/api/product-segments/"

INSERT = "INSERT INTO products (sku, name, data, source, created_at, updated_at) VALUES (?, ?, ?, 'api', '', '')"

PRODUCTS: dict[str, dict[str, Any]] = {
    "A": {"color": "red", "size": 1, "sale": True, "tags": ["new", 1], "price": {"amount": 9.5, "currency": "EUR"}},
    "B": {"color": "dark red", "size": 2.5, "sale": False, "tags": [], "price": 20, "url": "https://b.example"},
    "C": {"color": None, "size": "2", "price": {"currency": "EUR"}, 'a"b': "x", "$.x": 1, "a.b": True},
    "D'; DROP TABLE products; --": {"color": "", "tags": "new", "price": "9.5", "name": "Named"},
}


@pytest.fixture(scope="module")
def desk() -> Desk:
    desk = Desk()
    with desk.segops._database.transaction() as connection:
        for sku, data in PRODUCTS.items():
            connection.execute(INSERT, (sku, f"Product {sku[0]}", json.dumps(data)))
    return desk


def skus(desk: Desk, definition: object) -> list[str]:
    status, made = desk.ask("POST", PATH, {"name": "P", "definition": definition})
    assert status == 201, made
    assert desk.ask("POST", f"{PATH}{made['id']}/compute/") == (202, {"status": "queued"})
    members = desk.get(f"{PATH}{made['id']}/members/")
    assert desk.get(f"{PATH}{made['id']}/")["computed_count"] == members["count"]
    return [member["sku"] for member in members["results"]]


def attribute(name: str, operator: str, value: Any = None, value2: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "product_attribute",
        "property": name,
        "operator": operator,
        "value": value,
        "value2": value2,
        **more,
    }


def expected(condition: dict[str, Any]) -> list[str]:
    def actual(data: dict[str, Any]) -> Any:
        value = data.get(condition["property"])
        if condition.get("value_type") == "price":
            value = value.get("amount") if isinstance(value, dict) else value if not isinstance(value, str) else None
        if condition.get("value_type") == "array" and "set" in condition["operator"]:
            value = value if isinstance(value, list) and value else None
        return MISSING if value is None else value

    return sorted(
        sku
        for sku, data in PRODUCTS.items()
        if suits(condition["operator"], actual(data), condition["value"], condition["value2"])
    )


CONDITIONS = [
    *[attribute("color", name, "red") for name in ("eq", "neq", "contains", "does_not_contain", "starts_with")],
    *[attribute("color", name, "red", value_type="string") for name in ("ends_with", "eq", "neq", "contains")],
    *[attribute("color", name, ["red", ""], value_type="string") for name in ("in", "not_in")],
    *[attribute("color", name, value_type="string") for name in ("is_set", "is_not_set")],
    *[attribute("size", name, 2, value_type="number") for name in ("eq", "neq", "gt", "gte", "lt", "lte")],
    *[attribute("size", name, 1, 2.5, value_type="number") for name in ("between", "not_between")],
    *[attribute("size", name, [1, 2], value_type="number") for name in ("in", "not_in")],
    *[attribute("price", name, 9.5, value_type="price") for name in ("eq", "neq", "gt", "gte", "lt", "lte")],
    *[attribute("price", name, 9, 10, value_type="price") for name in ("between", "not_between")],
    *[attribute("price", name, value_type="price") for name in ("is_set", "is_not_set")],
    *[attribute("sale", name, value_type="boolean") for name in ("is_true", "is_false")],
    *[attribute("tags", name, "new", value_type="array") for name in ("contains", "does_not_contain")],
    *[attribute("tags", name, value_type="array") for name in ("is_set", "is_not_set")],
    attribute("tags", "contains", 1),
    attribute("url", "eq", "https://b.example", value_type="url"),
    attribute('a"b', "eq", "x"),
    attribute("$.x", "eq", 1),
    attribute("a.b", "is_true"),
    attribute("x", "is_set"),
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda each: f"{each['property']} {each['operator']}")
def test_an_attribute_is_compared(desk: Desk, condition: dict[str, Any]) -> None:
    assert skus(desk, group(condition)) == expected(condition)


def test_opposites_are_complete(desk: Desk) -> None:
    for condition in CONDITIONS:
        if condition["operator"] in OPPOSITES:
            opposite = {**condition, "operator": OPPOSITES[condition["operator"]]}
            assert sorted(skus(desk, group(condition)) + skus(desk, group(opposite))) == sorted(PRODUCTS)


def test_sku_and_name_are_attributes_and_groups_nest(desk: Desk) -> None:
    a_or_b = group(attribute("sku", "in", ["A", "B"]), attribute("name", "eq", "nothing"), logic="OR")
    assert skus(desk, group(a_or_b, attribute("name", "ends_with", "B"))) == ["B"]
    assert skus(desk, group()) == []


def test_what_the_members_of_a_segment_did() -> None:
    desk = Desk()
    with desk.segops._database.transaction() as connection:
        for sku in ("A", "12", "C"):
            connection.execute(INSERT, (sku, "", "{}"))
    desk.track(
        Happening("u", "order_completed", desk.now, {"product_id": "A"}),
        Happening("u", "order_completed", desk.now, {"product_id": 12}),
        Happening("u", "order_completed", desk.now, {}),
        Happening("u", "product_viewed", desk.now, {"product_id": "C", "item": "A"}),
        Happening("other", "order_completed", desk.now, {"product_id": "C"}),
    )
    viewers = desk.create(group({"type": "event_count", "event_type": "product_viewed", "operator": "gte", "value": 1}))
    desk.compute(viewers)
    signal = {"type": "user_behavior_signal", "signal": "purchased_by_segment", "segment_id": str(viewers)}
    assert skus(desk, group(signal)) == ["12", "A"]
    assert skus(desk, group({**signal, "signal": "viewed_by_segment", "segment_id": viewers})) == ["C"]
    viewed = {**signal, "event_type": "product_viewed", "product_id_property": "item"}
    assert skus(desk, group(viewed)) == ["A"]
    assert skus(desk, group(attribute("sku", "is_set"), signal)) == ["12", "A"]


@pytest.mark.parametrize(
    "condition",
    [
        {"type": "ai_visibility_metric"},
        {"type": "event_count", "event_type": "e", "operator": "gte", "value": 1},
        attribute("x", "is_true", value_type="string"),
        attribute("x", "matches_regex", "a", value_type="url"),
        attribute("x", "eq", "a", value_type="colour"),
        attribute("", "eq", "a"),
        {"type": "user_behavior_signal", "signal": "dreamt_by_segment", "segment_id": "1"},
        {"type": "user_behavior_signal", "signal": "viewed_by_segment", "segment_id": "x"},
        {"type": "user_behavior_signal", "signal": "viewed_by_segment", "segment_id": "7"},
    ],
)
def test_a_bad_definition_is_rejected(desk: Desk, condition: dict[str, Any]) -> None:
    status, errors = desk.ask("POST", PATH, {"name": "P", "definition": group(condition)})
    assert (status, list(errors)) == (400, ["definition"])


def test_a_product_segment_is_changed_and_deleted(desk: Desk) -> None:
    made = desk.ask("POST", PATH, {"name": "P", "definition": group(attribute("sku", "is_set"))})[1]
    path = f"{PATH}{made['id']}/"
    desk.ask("POST", f"{path}compute/")
    assert desk.ask("PATCH", path, {"name": "Q"})[1]["computed_count"] == 4
    assert desk.get(path)["last_computed_at"] == "2026-01-01T00:00:00.000000Z"
    assert desk.ask("DELETE", path)[0] == 204
    assert desk.ask("POST", f"{path}compute/")[0] == 404
    assert desk.ask("GET", f"{path}members/")[0] == 404


def test_a_queued_computation_of_what_was_deleted_is_nothing() -> None:
    desk = Desk(compute_delay=5)
    made = desk.ask("POST", PATH, {"name": "P"})[1]
    desk.ask("POST", f"{PATH}{made['id']}/compute/")
    desk.ask("DELETE", f"{PATH}{made['id']}/")
    desk.clock.now += 5
    desk.segops.run_pending()
    assert desk.get(PATH)["count"] == 0
