"""Product schema: the attributes that products should have, and the values that they do have."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from segops.emulator import times
from segops.emulator.bodies import Field, read_fields
from segops.emulator.database import Database
from segops.emulator.products.schema import ProductSchema, SchemaField, facet_values
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route

_FACET_PRODUCTS = 1000

SHOWN_ONLY = frozenset({"id", "created_at", "updated_at"})
"""Read-only members of a schema, which may be sent back."""

_FIELDS = {
    "fields": Field(list[SchemaField]),
    "default_currency": Field(Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")], "USD"),
    "default_locale": Field(Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$")], "en-US"),
}


def get_schema(request: RequestContext) -> ApiResponse:
    """Read the schema of the products."""
    return ApiResponse(200, _shown(request))


def put_schema(request: RequestContext) -> ApiResponse:
    """Replace the schema of the products."""
    values = read_fields(request, _FIELDS, ignored=SHOWN_ONLY)
    names = [field.name for field in values["fields"]]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise HTTPError(400, {"fields": [f"The name {min(repeated)!r} is repeated."]})
    store_schema(request.database, ProductSchema(**values), times.from_unix(request.now))
    return ApiResponse(200, _shown(request))


def product_schema(database: Database) -> ProductSchema:
    """Return the schema of the products."""
    rows = database.query("SELECT fields, default_currency, default_locale FROM product_schema")
    if not rows:
        return ProductSchema([])
    return ProductSchema(msgspec.json.decode(rows[0][0], type=list[SchemaField]), *rows[0][1:])


def store_schema(database: Database, schema: ProductSchema, now: str) -> None:
    """Replace the schema of the products."""
    fields = msgspec.json.encode(schema.fields).decode()
    with database.transaction() as connection:
        connection.execute(
            """
            INSERT INTO product_schema VALUES (1, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, default_currency = excluded.default_currency,
                default_locale = excluded.default_locale, updated_at = excluded.updated_at
            """,
            (fields, schema.default_currency, schema.default_locale, now, now),
        )


def facets(request: RequestContext) -> ApiResponse:
    """List at most 100 distinct values of each text and list attribute of the first 1,000 products."""
    rows = request.database.query("SELECT data FROM products ORDER BY id LIMIT ?", (_FACET_PRODUCTS,))
    return ApiResponse(200, facet_values([msgspec.json.decode(data) for (data,) in rows]))


def _shown(request: RequestContext) -> dict[str, Any]:
    schema = product_schema(request.database)
    times_of = request.database.query("SELECT created_at, updated_at FROM product_schema")
    created, updated = times_of[0] if times_of else (None, None)
    return {"id": 1, **msgspec.to_builtins(schema), "created_at": created, "updated_at": updated}


TABLES = (
    # A single row.
    """
    CREATE TABLE product_schema (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        fields TEXT NOT NULL,
        default_currency TEXT NOT NULL,
        default_locale TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
)
ROUTES = (
    Route("GET", "/api/pim/schema/", SECRET, get_schema),
    Route("PUT", "/api/pim/schema/", SECRET, put_schema),
    Route("GET", "/api/pim/facets/", SECRET, facets),
)
