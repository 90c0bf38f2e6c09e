"""Competitors: the brands that the own one is compared with.

Source: wire-protocol.md, section 6.8.
"""

from __future__ import annotations

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.records import Record


class Competitor(Record):
    """A brand that the own one is compared with.

    Attributes:
        id: Its number.
        name: Its name.
        domain: Its internet domain.
        brand_aliases: Its other names.
        is_active: Whether it is compared with.
    """

    __slots__ = ()
    id: int
    name: str
    domain: str
    brand_aliases: list[str]
    is_active: bool


class Competitors(Crud[Competitor]):
    """The brands that the own one is compared with; see `queries.win_rate`."""

    path = "/ai-reach/competitors/"
