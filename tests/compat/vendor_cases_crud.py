"""Cases that every resource shares: list, iterate, get, create, update, delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.compat.vendor_desk import Desk, case, did, fresh, holds

Body = dict[str, Any]

NAMED = {
    "logic": "AND",
    "conditions": [{"type": "product_attribute", "property": "name", "operator": "eq", "value": "Lamp"}],
}
TYPED = {"type": "number", "required": True, "description": "in EUR"}


def crud(space: str, path: str, table: str, body: Callable[[Desk], Body], change: Body) -> None:
    """Note the six cases of one resource.

    Args:
        space: The vendor's name of it.
        path: Where it is.
        table: Which table holds it.
        body: Returns what makes another one.
        change: What an update changes.
    """

    def make(desk: Desk) -> Body:
        made: Body = desk.api("POST", path, body(desk))
        return made

    @case(f"{space}.create")
    def create(desk: Desk) -> None:
        sent = body(desk)
        made = desk.call(f"{space}.create", sent)
        assert holds(desk.stored(table, made["id"]), sent)
        assert {name: made[name] for name in sent} == sent

    @case(f"{space}.get")
    def get(desk: Desk) -> None:
        made = make(desk)
        found = desk.call(f"{space}.get", made["id"])
        assert found == made
        assert desk.stored(table, found["id"])["id"] == made["id"]

    @case(f"{space}.list")
    def list_(desk: Desk) -> None:
        ids = [make(desk)["id"] for _ in range(3)]
        page = desk.call(f"{space}.list", {"page": 1, "page_size": 2})
        assert set(page) == {"count", "next", "previous", "results"}
        assert page["count"] == desk.rows(f"SELECT count(*) FROM {table}")[0][0] >= len(ids)
        assert (len(page["results"]), page["previous"]) == (2, None)
        assert page["next"].startswith(f"{desk.service.url}{path}?")

    @case(f"{space}.iterate")
    def iterate(desk: Desk) -> None:
        for _ in range(3):
            make(desk)
        found = [row["id"] for row in desk.call(f"{space}.iterate", {"page_size": 2})]
        assert sorted(found) == desk.column(f"SELECT id FROM {table} ORDER BY id")
        assert len(desk.asked[f"{space}.iterate"]) == -(-len(found) // 2) > 1

    @case(f"{space}.update")
    def update(desk: Desk) -> None:
        made = make(desk)
        changed = desk.call(f"{space}.update", made["id"], change)
        assert holds(desk.stored(table, made["id"]), change)
        assert {name: value for name, value in changed.items() if value != made[name]}.keys() <= {*change, "updated_at"}
        sent = body(desk)
        desk.call(f"{space}.update", made["id"], sent, method="PUT")
        assert holds(desk.stored(table, made["id"]), sent)

    @case(f"{space}.delete")
    def delete(desk: Desk) -> None:
        made = make(desk)
        assert desk.call(f"{space}.delete", made["id"]) is None
        assert desk.stored(table, made["id"]) == {}


crud(
    "segments",
    "/api/segments/",
    "segments",
    lambda _: {"name": fresh("Buyers"), "description": "who", "definition": did("order_placed"), "is_active": True},
    {"name": "Renamed", "is_active": False},
)
crud(
    "product_segments",
    "/api/product-segments/",
    "product_segments",
    lambda _: {"name": fresh("Lamps"), "definition": NAMED},
    {"name": "Renamed"},
)
crud(
    "products",
    "/api/pim/products/",
    "products",
    lambda _: {"sku": fresh("SKU"), "name": "Lamp", "data": {"price": 120, "tags": ["a", "b"], "deep": {"x": None}}},
    {"name": "Renamed"},
)
crud(
    "schemas",
    "/api/schemas/",
    "event_schemas",
    lambda _: {"event_type": fresh("typed"), "properties": {"total": TYPED}},
    {"properties": {}},
)
crud(
    "activations",
    "/api/activations/",
    "activations",
    lambda desk: {"segment": desk.segment(fresh("ad")), "connector_type": "outbox", "config": {"list_id": "L"}},
    {"status": "active"},
)
crud(
    "queries",
    "/api/ai-reach/queries/",
    "ai_queries",
    lambda _: {"query_text": fresh("best lamp"), "tags": ["a"], "providers": ["claude"], "schedule": "weekly"},
    {"category": "lamps"},
)
crud(
    "pages",
    "/api/ai-pages/pages/",
    "pages",
    lambda _: {"slug": fresh("lamps"), "title": "Lamps", "published": False},
    {"title": "Renamed"},
)
