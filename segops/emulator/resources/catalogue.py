"""The schema of the products, and the values that they have.

Source: wire-protocol.md, section 6.3.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from segops.emulator import times
from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.database import Database
from segops.emulator.resources.bodies import Field, Name, Text, read_fields

FieldType = Literal["string", "number", "boolean", "array", "url", "price", "multi_price", "datetime"]

_FACET_PRODUCTS = 1000
_FACET_VALUES = 100


class SchemaField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attribute that products should have."""

    name: Name
    type: FieldType = "string"
    required: bool = False
    description: Text = ""


class ProductSchema(msgspec.Struct, frozen=True):
    """What is expected of the attributes of a product; amounts without a currency are in the default one."""

    fields: list[SchemaField]
    default_currency: str = "USD"
    default_locale: str = "en-US"


SHOWN_ONLY = frozenset({"id", "created_at", "updated_at"})
"""What a schema has besides its fields when it is read; may be sent back."""

_FIELDS = {
    "fields": Field(list[SchemaField]),
    "default_currency": Field(Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")], "USD"),
    "default_locale": Field(Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$")], "en-US"),
}


def get_schema(call: Call) -> Answer:
    """Read the schema of the products; empty fields if there is none yet."""
    return Answer(200, _shown(call))


def put_schema(call: Call) -> Answer:
    """Replace the schema of the products."""
    values = read_fields(call, _FIELDS, also=SHOWN_ONLY)
    names = [field.name for field in values["fields"]]
    if twice := {name for name in names if names.count(name) > 1}:
        raise invalid({"fields": [f"The name {min(twice)!r} is there twice."]})
    store_schema(call.database, ProductSchema(**values), times.from_unix(call.now))
    return Answer(200, _shown(call))


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


def facets(call: Call) -> Answer:
    """List the distinct values of each text and list attribute: at most 100, of the first 1,000 products."""
    rows = call.database.query("SELECT data FROM products ORDER BY id LIMIT ?", (_FACET_PRODUCTS,))
    return Answer(200, facet_values([msgspec.json.decode(data) for (data,) in rows]))


def facet_values(attributes: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the sorted distinct texts of each attribute that is a text or a list of texts."""
    found: dict[str, set[str]] = {}
    for data in attributes:
        for name, value in data.items():
            texts = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
            if texts:
                found.setdefault(name, set()).update(texts)
    return {name: sorted(values)[:_FACET_VALUES] for name, values in sorted(found.items())}


def _shown(call: Call) -> dict[str, Any]:
    schema = product_schema(call.database)
    times_of = call.database.query("SELECT created_at, updated_at FROM product_schema")
    created, updated = times_of[0] if times_of else (None, None)
    return {"id": 1, **msgspec.to_builtins(schema), "created_at": created, "updated_at": updated}
