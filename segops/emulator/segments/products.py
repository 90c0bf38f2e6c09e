"""Compile and compute the definitions of product segments."""

# ruff: noqa: S608 - SQL is what this module makes; its parts come from fixed tables, every value is bound

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

from segops.emulator import times
from segops.emulator.database import Database
from segops.emulator.segments.compiler import Statement, members_of
from segops.emulator.segments.definition import Comparing, Group, Name, load_definition
from segops.emulator.segments.evaluate import rows
from segops.emulator.segments.operators import Bindings, property_test

ValueType: TypeAlias = Literal["string", "number", "boolean", "array", "url", "price"]

_EQUALITY = frozenset({"eq", "neq", "in", "not_in", "is_set", "is_not_set"})
_NUMERIC = _EQUALITY | {"gt", "gte", "lt", "lte", "between", "not_between"}

OPERATORS: Mapping[str, frozenset[str]] = {
    "string": _EQUALITY | {"contains", "does_not_contain", "starts_with", "ends_with"},
    "number": _NUMERIC,
    "price": _NUMERIC,
    "boolean": frozenset({"is_true", "is_false"}),
    "array": frozenset({"contains", "does_not_contain", "is_set", "is_not_set"}),
    "url": frozenset({"eq", "is_set", "is_not_set"}),
}
"""The operators of each value type."""

_EVENT_TYPES = {"purchased_by_segment": "order_completed", "viewed_by_segment": "product_viewed"}
_COLUMNS = "json_object('sku', sku, 'name', name)"


class ProductAttribute(Comparing, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="product_attribute"):
    """An attribute in the `data` of a product, or its `sku` or `name`."""

    value_type: ValueType | None = None

    def __post_init__(self) -> None:
        if self.value_type is not None and self.operator not in OPERATORS[self.value_type]:
            raise ValueError(f"The type {self.value_type!r} does not support the operator {self.operator!r}")


class UserBehaviorSignal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="user_behavior_signal"):
    """Whether a member of a segment bought or viewed the product, in an event that contains its SKU."""

    signal: Literal["purchased_by_segment", "viewed_by_segment"]
    segment_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}$")] | Annotated[int, msgspec.Meta(ge=0, le=10**18)]
    event_type: Name | None = None
    product_id_property: Name = "product_id"


ProductCondition: TypeAlias = ProductAttribute | UserBehaviorSignal


def skus_statement(group: Group) -> Statement:
    """Return the statement that selects the SKUs of products that match a definition, sorted."""
    bind = Bindings()
    return Statement(f"SELECT sku FROM products WHERE {_group(group, bind)} ORDER BY sku", bind.values, ())


def recompute_products(database: Database, segment_id: int, now: float) -> None:
    """Compute and store the SKUs of a product segment, if it exists.

    Raises:
        HTTPError: 503; it took too long. Nothing was changed.
    """
    with database.transaction() as connection:
        found = connection.execute("SELECT definition FROM product_segments WHERE id = ?", (segment_id,)).fetchone()
        if found is None:
            return
        skus = rows(connection, skus_statement(load_definition(found[0], ProductCondition)))
        connection.execute("DELETE FROM product_segment_members WHERE product_segment_id = ?", (segment_id,))
        connection.executemany(
            "INSERT INTO product_segment_members VALUES (?, ?)", ((segment_id, sku) for (sku,) in skus)
        )
        connection.execute(
            "UPDATE product_segments SET computed_count = ?, last_computed_at = ? WHERE id = ?",
            (len(skus), times.from_unix(now), segment_id),
        )


def _group(group: Group, bind: Bindings) -> str:
    parts = [
        _group(node, bind)
        if isinstance(node, Group)
        else _attribute(node, bind)
        if isinstance(node, ProductAttribute)
        else _signal(node, bind)
        for node in group.conditions
    ]
    return f"({f' {group.logic} '.join(parts)})" if parts else "0"


def _attribute(condition: ProductAttribute, bind: Bindings) -> str:
    name, source = condition.property, _COLUMNS if condition.property in ("sku", "name") else "data"
    if condition.value_type == "price":  # {"amount", "currency"}, or just a number
        source = (
            "(SELECT CASE WHEN type = 'object' THEN value WHEN type IN ('integer', 'real') "
            f"THEN json_object('amount', value) END FROM json_each({source}) "
            f"WHERE key = {bind(name)} ORDER BY id DESC LIMIT 1)"
        )
        name = "amount"
    if condition.value_type == "array" and condition.operator in ("is_set", "is_not_set"):
        filled = (
            f"EXISTS (SELECT 1 FROM (SELECT type, value FROM json_each({source}) "
            f"WHERE key = {bind(name)} ORDER BY id DESC LIMIT 1) WHERE type = 'array' AND value <> '[]')"
        )
        return filled if condition.operator == "is_set" else f"NOT {filled}"
    return property_test(source, name, condition, bind)


def _signal(condition: UserBehaviorSignal, bind: Bindings) -> str:
    event_type = condition.event_type or _EVENT_TYPES[condition.signal]
    product = (
        "SELECT CASE WHEN type IN ('text', 'integer') THEN CAST(value AS TEXT) END FROM json_each(payload) "
        f"WHERE key = {bind(condition.product_id_property)} ORDER BY id DESC LIMIT 1"
    )
    return (
        f"sku IN (SELECT product FROM (SELECT ({product}) AS product FROM activity "
        f"WHERE event_type = {bind(event_type)} AND user_id IN ({members_of(int(condition.segment_id), bind)})) "
        "WHERE product IS NOT NULL)"
    )
