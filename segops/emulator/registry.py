"""Every resource of a local SegOps: its tables and its endpoints.

To add a resource, write a module in `resources/` with `TABLES` (SQL statements) and `ROUTES`, and list it in
`RESOURCES`. The imports are ordinary statements, so that PyInstaller and other freezers find the modules.
"""

from __future__ import annotations

from typing import Protocol

from segops.emulator import aliases, database, keys, rejected_events
from segops.emulator.resources import (
    activations,
    ai_metrics,
    ai_queries,
    analytics,
    competitors,
    event_schemas,
    explorer,
    identity,
    index,
    ingestion,
    login,
    page_exports,
    pages,
    product_imports,
    product_schema,
    product_scores,
    product_search,
    product_segments,
    products,
    segment_exports,
    segment_members,
    segments,
    sessions,
    shopify,
    tenant,
    webhooks,
)
from segops.emulator.routing import Route


class ResourceModule(Protocol):
    """A module in `resources/`."""

    @property
    def TABLES(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the module
        """The statements that create its tables, indexes, and triggers."""
        ...

    @property
    def ROUTES(self) -> tuple[Route, ...]:  # noqa: N802 - a constant of the module
        """Its endpoints."""
        ...


RESOURCES: tuple[ResourceModule, ...] = (
    *(ingestion, sessions, index, login, tenant, shopify),
    *(products, product_scores, product_schema, product_imports, event_schemas),
    *(segments, segment_members, segment_exports, product_segments, activations, webhooks),
    *(explorer, identity, ai_queries, ai_metrics, competitors, pages, page_exports, product_search, analytics),
)

TABLES: tuple[str, ...] = (
    *database.TABLES,
    *keys.TABLES,
    *aliases.TABLES,
    *rejected_events.TABLES,
    *(statement for resource in RESOURCES for statement in resource.TABLES),
)

ROUTES: tuple[Route, ...] = tuple(route for resource in RESOURCES for route in resource.ROUTES)
