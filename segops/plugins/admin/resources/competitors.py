"""Competitors: brands to compare your brand with."""

from __future__ import annotations

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.records import Record


class Competitor(Record):
    """A brand to compare your brand with.

    Attributes:
        id: The id.
        name: The name.
        domain: The internet domain.
        brand_aliases: Other names of the brand.
        is_active: Whether the brand is part of comparisons.
    """

    __slots__ = ()
    id: int
    name: str
    domain: str
    brand_aliases: list[str]
    is_active: bool


class Competitors(Crud[Competitor]):
    """Manage the brands that `queries.win_rate` compares your brand with."""

    path = "/ai-reach/competitors/"
