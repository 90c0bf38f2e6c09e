"""The namespaces by name, as `admin.<name>` reaches them."""

from __future__ import annotations

from collections.abc import Mapping

from segops.plugins.admin.resource import Resource
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

RESOURCES: Mapping[str, type[Resource]] = {
    "segments": Segments,
    "product_segments": ProductSegments,
    "products": Products,
    "schemas": Schemas,
    "activations": Activations,
    "users": Users,
    "queries": Queries,
    "pages": Pages,
    "analytics": Analytics,
    "identity": Identity,
    "competitors": Competitors,
}
