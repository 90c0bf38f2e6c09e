"""Product segments: groups of products."""

from __future__ import annotations

from typing import Any

from segops.plugins.admin.computable import Computable
from segops.plugins.admin.records import Record


class ProductSegment(Record):
    """A group of products.

    Attributes:
        id: The id.
        name: The name.
        definition: The conditions.
        computed_count: Products at the last computation.
        last_computed_at: The last computation, as ISO 8601; None before the first one.
    """

    __slots__ = ()
    id: int
    name: str
    definition: dict[str, Any]
    computed_count: int
    last_computed_at: str | None


class ProductSegments(Computable[ProductSegment]):
    """Define and compute groups of products."""

    path = "/product-segments/"
