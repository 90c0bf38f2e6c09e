"""CSV files of products: read, understood, and turned into products.

Source: wire-protocol.md, section 6.3.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from segops.local.resources.catalogue import FieldType, ProductSchema, SchemaField

MAX_ROWS = 100_000
"""The most products of one file."""

SKIP = "skip"
"""What a column is mapped to that is not imported."""

_SAMPLE = 200
# The best name of a column comes first.
_SKU = ("sku", "product_id", "item_id", "article", "code", "id")
_NAME = ("name", "product_name", "title", "product")
_PRICES = frozenset({"price", "cost", "amount", "msrp"})
_PRICE = re.compile(r"([A-Z]{3})?\s*[$€£]?\s*(-?\d+(?:\.\d+)?)\s*([A-Z]{3})?")
_TRUE = frozenset({"true", "yes", "1", "y"})
_FALSE = frozenset({"false", "no", "0", "n"})


class Table(msgspec.Struct, frozen=True):
    """A CSV file: its header row and the rows below it, blank ones left out."""

    headers: list[str]
    rows: list[list[str]]


def read_csv(content: bytes) -> Table:
    """Read a CSV file in UTF-8, with or without a byte order mark.

    Raises:
        ValueError: It is not one: not UTF-8, no header, a header twice or without a text, more than 100,000 rows.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"The file is not UTF-8: byte {error.start} is wrong.") from None
    return read_text(text)


def read_text(text: str) -> Table:
    """Read the text of a CSV file.

    Raises:
        ValueError: As `read_csv`.
    """
    if "\0" in text:
        raise ValueError("The file holds a NUL character: it is no CSV.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        headers = [header.strip() for header in next(reader, [])]
        rows = [row for row in reader if any(row)]
    except csv.Error as error:
        raise ValueError(f"Line {reader.line_num} is no CSV: {error}.") from None
    if not headers or not all(headers):
        raise ValueError("The first line must give every column a name.")
    if twice := {header for header in headers if headers.count(header) > 1}:
        raise ValueError(f"The column {min(twice)!r} is there twice.")
    if len(rows) > MAX_ROWS:
        raise ValueError(f"The file has {len(rows)} rows, more than {MAX_ROWS}.")
    return Table(headers, rows)


def suggest_mapping(headers: list[str], confirmed: Mapping[str, str]) -> dict[str, str]:
    """Return what each column probably is: "sku", "name", a field of the schema, or "skip".

    Args:
        headers: The columns.
        confirmed: What columns were confirmed to be before; this wins.
    """
    slugs = {header: re.sub(r"\W+", "_", header.casefold()).strip("_") for header in headers}
    mapping = {header: confirmed[header] for header in headers if header in confirmed}
    for target, names in (("sku", _SKU), ("name", _NAME)):
        candidates = [header for name in names for header, slug in slugs.items() if slug == name]
        if candidates and target not in mapping.values():
            mapping.setdefault(candidates[0], target)
    for header, slug in slugs.items():
        if header not in mapping:
            mapping[header] = SKIP if slug in {"", "sku", "name", *mapping.values()} else slug
    return {header: mapping[header] for header in headers}


def suggest_schema(table: Table, mapping: Mapping[str, str]) -> ProductSchema:
    """Return a schema for the columns that are neither SKU nor name, by the values of the first 200 rows."""
    fields = []
    for column, header in enumerate(table.headers):
        if mapping[header] not in {"sku", "name", SKIP}:
            values = [row[column].strip() for row in table.rows[:_SAMPLE] if len(row) > column and row[column].strip()]
            fields.append(SchemaField(mapping[header], _guess(mapping[header], values)))
    return ProductSchema(fields)


def product_row(
    headers: list[str], cells: list[str], mapping: Mapping[str, str], schema: ProductSchema
) -> dict[str, Any]:
    """Return a row as a product; empty cells are left out.

    Args:
        headers: The columns.
        cells: The values; missing ones at the end count as empty.
        mapping: What the columns are.
        schema: The types of the fields; a field that is not in it is a text.

    Raises:
        ValueError: A value is not of its type, or there are more values than columns.
    """
    if len(cells) > len(headers):
        raise ValueError(f"The row has {len(cells)} cells, the header {len(headers)}.")
    types: dict[str, FieldType] = {field.name: field.type for field in schema.fields}
    product: dict[str, Any] = {"data": {}}
    for header, text in zip(headers, cells, strict=False):
        target = mapping.get(header) or SKIP
        value = text.strip()
        if target in {"sku", "name"} and value:
            product[target] = value
        elif target not in {"sku", "name", SKIP} and value:
            product["data"][target] = _convert(header, value, types.get(target, "string"), schema.default_currency)
    return product


def _guess(name: str, values: list[str]) -> FieldType:
    if not values:
        return "string"
    if name in _PRICES and all(_PRICE.fullmatch(value) for value in values):
        return "price"
    if all(value.casefold() in {"true", "false", "yes", "no"} for value in values):
        return "boolean"
    if all(_is_number(value) for value in values):
        return "number"
    if all(value.startswith(("https://", "http://")) for value in values):
        return "url"
    return "array" if all("|" in value for value in values) else "string"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def _convert(header: str, text: str, kind: FieldType, currency: str) -> Any:
    convert = _CONVERTERS.get(kind)
    value = text if convert is None else convert(text, currency)
    if value is None:
        raise ValueError(f"Column {header!r}: {text[:80]!r} is no {kind}.")
    return value


def _number(text: str, _currency: str) -> float | int | None:
    if not _is_number(text):
        return None
    value = float(text)
    return int(value) if value.is_integer() else value


def _boolean(text: str, _currency: str) -> bool | None:
    folded = text.casefold()
    return True if folded in _TRUE else False if folded in _FALSE else None


def _price(text: str, currency: str) -> dict[str, Any] | None:
    found = _PRICE.fullmatch(text)
    amount = _number(found[2], currency) if found else None
    return None if found is None or amount is None else {"amount": amount, "currency": found[1] or found[3] or currency}


def _array(text: str, _currency: str) -> list[str]:
    return [part.strip() for part in re.split(r"[|;]", text) if part.strip()]


def _multi_price(text: str, currency: str) -> list[dict[str, Any]] | None:
    prices = [_price(part.strip(), currency) for part in re.split(r"[|;]", text) if part.strip()]
    return None if None in prices else [price for price in prices if price]


_CONVERTERS: dict[str, Callable[[str, str], Any]] = {
    "number": _number,
    "boolean": _boolean,
    "price": _price,
    "array": _array,
    "multi_price": _multi_price,
}
