"""Competitors: brands that AI assistants may name instead of the tenant's."""

from __future__ import annotations

from segops.emulator.bodies import Field, Name, Text
from segops.emulator.crud import Resource

competitors = Resource(
    "competitors",
    {
        "name": Field(Name),
        "domain": Field(Text, ""),
        "brand_aliases": Field(list[str], [], json=True),
        "is_active": Field(bool, default=True),
    },
    unique="name",
    bare=True,
)

TABLES = (competitors.schema,)
ROUTES = competitors.routes("/api/ai-reach/competitors/")
