"""Products: the catalogue that AI assistants are to understand.

Source: wire-protocol.md, sections 6.3 and 11 (point 15).
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.database import Database
from segops.emulator.resources.bodies import Errors, Field, Name, check_fields, read_list
from segops.emulator.resources.crud import Resource, Row

_ATTRIBUTES = dict[str, Any]
_RESERVED = frozenset({"page", "page_size", "q"})

# A value equals the text of a filter if it is that text, that number or that truth value; a list, if an element does.
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
        "source": Field(str, read_only=True),
        "ai_readability_score": Field(float, read_only=True),
    },
    unique="sku",
    check=lambda _call, values, old: values if old else {**values, "source": "api"},
    children={"product_scores": "product_id"},
)

_ROW_FIELDS = {
    "sku": Field(Name),
    "name": Field(Name | None, None),
    "data": Field(_ATTRIBUTES, {}),
}


class Upserted(msgspec.Struct):
    """What became of many products.

    Attributes:
        created: How many were new.
        updated: How many existed.
        errors: For each bad row: its number from 0, its SKU if it has one, and what is wrong with each field.
    """

    created: int = 0
    updated: int = 0
    errors: list[dict[str, Any]] = []


def list_products(call: Call) -> Answer:
    """List products; `q` is contained in the name, every other parameter is a field of `data` and its value."""
    conditions = ["1"]
    values: list[object] = []
    if text := call.query.get("q"):
        conditions.append("instr(casefold(name), ?)")
        values.append(text.casefold())
    for name, value in call.query.items():
        if name not in _RESERVED:
            conditions.append(_HOLDS)
            values += [name, *_meanings(value)] * 2
    return products.page(call, f"products WHERE {' AND '.join(conditions)}", tuple(values))


def bulk_upsert(call: Call) -> Answer:
    """Create or update products by their SKU; bad rows are reported, the others are stored."""
    rows = read_list(call, "products")
    if not isinstance(rows, list):
        raise invalid({"products": ["Expected a list of products."]})
    return Answer(200, upsert(call.database, rows, "api", times.from_unix(call.now)))


def upsert(database: Database, rows: list[Any], source: str, now: str) -> Upserted:
    """Store products by their SKU, all good ones in one transaction.

    Attributes are merged into those that a product has; a product without a name gets its SKU as one.

    Args:
        database: Where to.
        rows: Objects with `sku`, `name` and `data`; what else they hold is folded into `data`.
        source: "api" or "csv".
        now: The time, as it is stored.
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
    """Return a text as text, as a number, and as a JSON truth value."""
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
