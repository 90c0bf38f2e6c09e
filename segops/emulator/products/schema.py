"""The schema of products, and the values that they have."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from segops.emulator.bodies import Name, Text

FieldType = Literal["string", "number", "boolean", "array", "url", "price", "multi_price", "datetime"]


class SchemaField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An attribute that products should have."""

    name: Name
    type: FieldType = "string"
    required: bool = False
    description: Text = ""


class ProductSchema(msgspec.Struct, frozen=True):
    """The expected attributes of products. Amounts without a currency are in the default currency."""

    fields: list[SchemaField]
    default_currency: str = "USD"
    default_locale: str = "en-US"


FACET_VALUES = 100
"""Maximum number of values of one facet."""


def facet_values(attributes: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the sorted distinct texts of each attribute that is a text or a list of texts."""
    found: dict[str, set[str]] = {}
    for data in attributes:
        for name, value in data.items():
            texts = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
            if texts:
                found.setdefault(name, set()).update(texts)
    return {name: sorted(values)[:FACET_VALUES] for name, values in sorted(found.items())}
