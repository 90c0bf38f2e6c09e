"""Products: the catalogue of the tenant."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.bodies import Errors, Field, Name, check_fields, read_list
from segops.emulator.crud import Resource
from segops.emulator.database import Database
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route
from segops.emulator.tables import Row

_ATTRIBUTES = dict[str, Any]
_RESERVED = frozenset({"page", "page_size", "q"})

# A value matches a filter if it is the same text, number, or boolean. A list matches if one of its elements does.
_EQUALS = "(e.type = 'text' AND e.atom = ? OR e.type IN ('integer', 'real') AND e.atom = ? OR e.type = ?)"
_HOLDS = f"""(
    EXISTS (SELECT 1 FROM json_each(data) AS e WHERE e.key = ? AND {_EQUALS})
    OR EXISTS (
        SELECT 1 FROM json_each(data) AS f, json_each(CASE f.type WHEN 'array' THEN f.value ELSE '[]' END) AS e
        WHERE f.key = ? AND {_EQUALS}
    )
)"""  # noqa: S608 - no user text

products = Resource(
    "products",
    {
        "sku": Field(Name),
        "name": Field(Name),
        "data": Field(_ATTRIBUTES, {}, json=True),
        "source": Field(str, "api", read_only=True),
        "ai_readability_score": Field(float, read_only=True),
    },
    unique="sku",
    children={"product_scores": "product_id"},
)

_ROW_FIELDS = {
    "sku": Field(Name),
    "name": Field(Name | None, None),
    "data": Field(_ATTRIBUTES, {}),
}


class Upserted(msgspec.Struct):
    """The result of an upsert.

    Attributes:
        created: Number of new products.
        updated: Number of existing products.
        errors: For each invalid row its index, its SKU or None, and the errors of each field.
    """

    created: int = 0
    updated: int = 0
    errors: list[dict[str, Any]] = []


def list_products(request: RequestContext) -> ApiResponse:
    """List products whose name contains `q`. Every other parameter filters by a field of `data`."""
    conditions = ["1"]
    values: list[object] = []
    if text := request.query.get("q"):
        conditions.append("instr(casefold(name), ?)")
        values.append(text.casefold())
    for name, value in request.query.items():
        if name not in _RESERVED:
            conditions.append(_HOLDS)
            values += [name, *_meanings(value)] * 2
    return products.page(request, " AND ".join(conditions), tuple(values))


def bulk_upsert(request: RequestContext) -> ApiResponse:
    """Create or update products by SKU. Invalid rows are reported, all others are stored."""
    rows = read_list(request, "products")
    if not isinstance(rows, list):
        raise HTTPError(400, {"products": ["Expected a list of products."]})
    return ApiResponse(200, upsert(request.database, rows, "api", times.from_unix(request.now)))


def upsert(database: Database, rows: list[Any], source: str, now: str) -> Upserted:
    """Create or update products by SKU, all valid ones in one transaction.

    New attributes are merged into existing ones. A product without a name is named after its SKU.
    Rows are objects with `sku`, `name`, and `data`. Other fields are merged into `data`.
    """
    done = Upserted()
    with database.transaction() as connection:
        for index, row in enumerate(rows):
            product, errors = _read_row(row)
            if errors:
                sku = row.get("sku") if isinstance(row, dict) else None
                done.errors.append({"index": index, "sku": sku, "errors": errors})
                continue
            old = connection.execute("SELECT data, name FROM products WHERE sku = ?", (product["sku"],)).fetchone()
            data = {**(msgspec.json.decode(old[0]) if old else {}), **product["data"]}
            name = product["name"] or (old[1] if old else product["sku"])
            connection.execute(
                """
                INSERT INTO products (sku, name, data, source, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (sku) DO UPDATE SET name = excluded.name, data = excluded.data, source = excluded.source,
                    updated_at = excluded.updated_at
                """,
                (product["sku"], name, msgspec.json.encode(data).decode(), source, now, now),
            )
            if old:
                done.updated += 1
            else:
                done.created += 1
    return done


def _meanings(text: str) -> tuple[str, float | None, str]:
    """Return a text as text, as a number, and as a JSON boolean."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    return text, value if math.isfinite(value) else None, text.lower()


def _read_row(row: Any) -> tuple[Row, Errors]:
    if not isinstance(row, dict):
        return {}, {"non_field_errors": [f"Expected an object, but got {type(row).__name__}."]}
    values, errors = check_fields(row, _ROW_FIELDS)
    if not errors:
        values["data"] = {**{name: value for name, value in row.items() if name not in _ROW_FIELDS}, **values["data"]}
    return values, errors


_PATH = "/api/pim/products/"
TABLES = (products.schema,)
ROUTES = (
    *products.routes(_PATH, index=list_products, query=None),
    Route("POST", f"{_PATH}bulk/", SECRET, bulk_upsert),
)
