"""Read CSV files of products, suggest a mapping and a schema, and convert rows to products."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from segops.emulator.products.cells import Convert, converter, guess, row_currency
from segops.emulator.products.money import currency_in_name
from segops.emulator.products.schema import FieldType, ProductSchema, SchemaField

MAX_ROWS = 100_000
"""Maximum number of products in a file."""

SKIP = "skip"
"""The mapping of a column that is not imported."""

# The most specific names come first.
_SKU = ("sku", "variant_sku", "product_id", "item_id", "article", "code", "id")
_NAME = ("name", "product_name", "title", "product")
_CURRENCY = frozenset({"currency", "currency_code", "currency_iso", "price_currency"})

_GZIP = b"\x1f\x8b"
_JSON = re.compile(r"\s*(?:\[\s*[\[{\]]|\{\s*[\"}])")
_SEPARATORS = ";\t|"


class Table(msgspec.Struct, frozen=True):
    """The header and the non-blank rows of a CSV file."""

    headers: list[str]
    rows: list[list[str]]

    def values(self, column: int) -> list[str]:
        """Return the non-empty texts of a column."""
        return [text for row in self.rows if len(row) > column and (text := row[column].strip())]


def read_csv(content: bytes) -> Table:
    """Read a CSV file in UTF-8, with or without a byte order mark.

    The service documents UTF-8 and commas only. The SDK converts other files before it uploads them.

    Raises:
        ValueError: The file is not UTF-8, is not separated by commas, has a missing or repeated header, or has more
            than 100,000 rows.
    """
    if content.startswith(_GZIP):
        raise ValueError("The file is compressed with gzip: decompress it, or upload it with `segops products import`.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"The file is not UTF-8: invalid byte at offset {error.start}. Save it as UTF-8, or upload it with "
            "`segops products import --encoding cp1252` (or its actual encoding)."
        ) from None
    return read_text(text)


def read_text(text: str) -> Table:
    """Read the text of a CSV file.

    Raises:
        ValueError: As for `read_csv`.
    """
    if "\0" in text:
        raise ValueError("The file contains a NUL character, so it is not CSV.")
    if _JSON.match(text):
        raise ValueError("The file contains JSON, not CSV: send its rows to /api/pim/products/bulk/.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        headers = [header.strip() for header in next(reader, [])]
        rows = [row for row in reader if any(row)]
    except csv.Error as error:
        raise ValueError(f"Line {reader.line_num} is not valid CSV: {error}.") from None
    if separator := _other_separator(headers):
        raise ValueError(
            f"The columns are separated by {separator!r}: use commas, or upload the file with "
            f"`segops products import`, which converts it (--delimiter {separator!r})."
        )
    if not headers or not all(headers):
        raise ValueError("The first line must name every column.")
    if repeated := {header for header in headers if headers.count(header) > 1}:
        raise ValueError(f"The column {min(repeated)!r} is repeated.")
    if len(rows) > MAX_ROWS:
        raise ValueError(f"The file has {len(rows)} rows, more than {MAX_ROWS}.")
    return Table(headers, rows)


def suggest_mapping(table: Table, confirmed: Mapping[str, str]) -> dict[str, str]:
    """Return what each column probably maps to: "sku", "name", a field of the schema, or "skip".

    Earlier confirmed mappings take precedence.
    """
    headers = table.headers
    slugs = {header: _slug(header) for header in headers}
    mapping = {header: confirmed[header] for header in headers if header in confirmed}
    for target, names in (("sku", _SKU), ("name", _NAME)):
        candidates = [header for name in names for header, slug in slugs.items() if slug == name]
        filled = [header for header in candidates if table.values(headers.index(header))]
        if candidates and target not in mapping.values():
            mapping.setdefault((filled or candidates)[0], target)
    for header, slug in slugs.items():
        if header not in mapping:
            mapping[header] = SKIP if slug in {"", "sku", "name", *mapping.values()} else slug
    return {header: mapping[header] for header in headers}


def suggest_schema(table: Table, mapping: Mapping[str, str], current: ProductSchema) -> ProductSchema:
    """Return a schema for all columns but the SKU and the name, inferred from all rows.

    Its default currency and locale are those of the current schema, which it replaces.
    """
    currency = current.default_currency
    fields = [
        SchemaField(mapping[header], guess(mapping[header], header, table.values(column), currency))
        for column, header in enumerate(table.headers)
        if mapping[header] not in {"sku", "name", SKIP}
    ]
    return msgspec.structs.replace(current, fields=fields)


class Products:
    """Converts the rows of a file to products. Empty cells are omitted, and fields outside the schema are text."""

    def __init__(self, table: Table, mapping: Mapping[str, str], schema: ProductSchema) -> None:
        types: dict[str, FieldType] = {field.name: field.type for field in schema.fields}
        self._headers = table.headers
        self._targets = [mapping.get(header) or SKIP for header in table.headers]
        self._types: list[FieldType] = [types.get(target, "string") for target in self._targets]
        self._convert: list[Convert] = [
            converter(field_type, table.values(column)) for column, field_type in enumerate(self._types)
        ]
        self._currencies = [currency_in_name(header) for header in table.headers]
        self._currency_column = next(
            (index for index, header in enumerate(table.headers) if _slug(header) in _CURRENCY), None
        )
        self._default = schema.default_currency

    def read(self, cells: Sequence[str]) -> dict[str, Any]:
        """Convert a row to a product. Missing cells at the end count as empty.

        Raises:
            ValueError: A cell does not have the type of its column, or there are more cells than columns.
        """
        if len(cells) > len(self._headers):
            raise ValueError(f"The row has {len(cells)} cells, but the header has {len(self._headers)}.")
        product: dict[str, Any] = {"data": {}}
        currency = self._row_currency(cells)
        for column, (target, cell) in enumerate(zip(self._targets, cells, strict=False)):
            text = cell.strip()
            if target in {"sku", "name"} and text:
                product[target] = text
            elif target != SKIP and text:
                product["data"][target] = self._value(column, text, self._currencies[column] or currency)
        return product

    def _row_currency(self, cells: Sequence[str]) -> str:
        column = self._currency_column
        named = cells[column].strip() if column is not None and column < len(cells) else ""
        return row_currency(named) if named else self._default

    def _value(self, column: int, text: str, currency: str) -> Any:
        value = self._convert[column](text, currency)
        if value is None:
            raise ValueError(
                f"Column {self._headers[column]!r}: {text[:80]!r} cannot be converted to {self._types[column]} "
                "without loss: correct it, or declare the field as string in the schema."
            )
        return value


def _slug(header: str) -> str:
    return re.sub(r"\W+", "_", header.casefold()).strip("_")


def _other_separator(headers: Sequence[str]) -> str | None:
    """Return the separator of a header without commas."""
    if headers and (declared := re.fullmatch(r"sep=(.?)", headers[0], re.IGNORECASE)):
        return declared[1] or ","
    return next((sign for sign in _SEPARATORS if len(headers) == 1 and sign in headers[0]), None)
