"""The built-in admin resources, one file each. Made by `python -m tools.admin_codegen`: do not edit."""

# ruff: noqa: I001, PLC0415, TC004 - imported on use: clients that only send events need none of these
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segops.plugins.admin.resource import Resource
    from segops.plugins.admin.resources.activations import Activation, Activations
    from segops.plugins.admin.resources.analytics import ActivationHealth, Analytics, Overlap, Overview, SegmentTrend
    from segops.plugins.admin.resources.competitors import Competitor, Competitors
    from segops.plugins.admin.resources.identity import Identity
    from segops.plugins.admin.resources.pages import AiPage, Pages, ProductMatches
    from segops.plugins.admin.resources.product_segments import ProductSegment, ProductSegments
    from segops.plugins.admin.resources.products import ImportJob, Product, ProductSchema, ProductScore, Products
    from segops.plugins.admin.resources.queries import AiQuery, AiResult, Queries, Simulation
    from segops.plugins.admin.resources.schemas import EventSchema, Schemas
    from segops.plugins.admin.resources.segments import Segment, SegmentMember, SegmentPreview, SegmentVersion, Segments
    from segops.plugins.admin.resources.users import Explanation, SandboxResult, User, UserEvent, UserSegment, Users

__all__ = [
    "Activation",
    "ActivationHealth",
    "Activations",
    "AiPage",
    "AiQuery",
    "AiResult",
    "Analytics",
    "Competitor",
    "Competitors",
    "EventSchema",
    "Explanation",
    "Identity",
    "ImportJob",
    "Overlap",
    "Overview",
    "Pages",
    "Product",
    "ProductMatches",
    "ProductSchema",
    "ProductScore",
    "ProductSegment",
    "ProductSegments",
    "Products",
    "Queries",
    "SandboxResult",
    "Schemas",
    "Segment",
    "SegmentMember",
    "SegmentPreview",
    "SegmentTrend",
    "SegmentVersion",
    "Segments",
    "Simulation",
    "User",
    "UserEvent",
    "UserSegment",
    "Users",
]

HOMES = {
    "Activation": "activations",
    "ActivationHealth": "analytics",
    "Activations": "activations",
    "AiPage": "pages",
    "AiQuery": "queries",
    "AiResult": "queries",
    "Analytics": "analytics",
    "Competitor": "competitors",
    "Competitors": "competitors",
    "EventSchema": "schemas",
    "Explanation": "users",
    "Identity": "identity",
    "ImportJob": "products",
    "Overlap": "analytics",
    "Overview": "analytics",
    "Pages": "pages",
    "Product": "products",
    "ProductMatches": "pages",
    "ProductSchema": "products",
    "ProductScore": "products",
    "ProductSegment": "product_segments",
    "ProductSegments": "product_segments",
    "Products": "products",
    "Queries": "queries",
    "SandboxResult": "users",
    "Schemas": "schemas",
    "Segment": "segments",
    "SegmentMember": "segments",
    "SegmentPreview": "segments",
    "SegmentTrend": "analytics",
    "SegmentVersion": "segments",
    "Segments": "segments",
    "Simulation": "queries",
    "User": "users",
    "UserEvent": "users",
    "UserSegment": "users",
    "Users": "users",
}
"""The module of each public name."""


class Namespaces:
    """The built-in namespaces as attributes, for type checkers."""

    activations: Activations
    analytics: Analytics
    competitors: Competitors
    identity: Identity
    pages: Pages
    product_segments: ProductSegments
    products: Products
    queries: Queries
    schemas: Schemas
    segments: Segments
    users: Users


def load_resources() -> dict[str, type[Resource]]:
    """Import the built-in resources and return them by namespace."""
    from segops.plugins.admin.resources.activations import Activations
    from segops.plugins.admin.resources.analytics import Analytics
    from segops.plugins.admin.resources.competitors import Competitors
    from segops.plugins.admin.resources.identity import Identity
    from segops.plugins.admin.resources.pages import Pages
    from segops.plugins.admin.resources.product_segments import ProductSegments
    from segops.plugins.admin.resources.products import Products
    from segops.plugins.admin.resources.queries import Queries
    from segops.plugins.admin.resources.schemas import Schemas
    from segops.plugins.admin.resources.segments import Segments
    from segops.plugins.admin.resources.users import Users

    return {
        "activations": Activations,
        "analytics": Analytics,
        "competitors": Competitors,
        "identity": Identity,
        "pages": Pages,
        "product_segments": ProductSegments,
        "products": Products,
        "queries": Queries,
        "schemas": Schemas,
        "segments": Segments,
        "users": Users,
    }
