"""The admin SDK: what `SegOpsAdmin` is made of, and what a namespace of your own is made of.

The nine documented namespaces, `identity` and `competitors` are registered through the hook that a stranger's plugin
uses. Names are loaded on first use: a program that only sends events pays nothing for this.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from segops.core import hookimpl

if TYPE_CHECKING:
    from segops.plugins.admin.bulk import UpsertReport
    from segops.plugins.admin.concurrency import AsyncItems, AsyncPage, AsyncView, in_thread
    from segops.plugins.admin.context import CallCancelled, captured_responses
    from segops.plugins.admin.crud import Crud, UpdateMethod
    from segops.plugins.admin.csv_files import Upload
    from segops.plugins.admin.exports import Exportable, ExportJob
    from segops.plugins.admin.http import HttpClient
    from segops.plugins.admin.methods import Method, methods_of
    from segops.plugins.admin.namespaces import RESOURCES
    from segops.plugins.admin.options import Options
    from segops.plugins.admin.pagination import Items, Page
    from segops.plugins.admin.paths import Id
    from segops.plugins.admin.records import Receipt, Record, documented_fields
    from segops.plugins.admin.resource import Endpoint, EndpointCall, Fields, Resource, composite, endpoint
    from segops.plugins.admin.resources.activations import Activation, Activations
    from segops.plugins.admin.resources.analytics import ActivationHealth, Analytics, Overlap, Overview, SegmentTrend
    from segops.plugins.admin.resources.competitors import Competitor, Competitors
    from segops.plugins.admin.resources.identity import Identity
    from segops.plugins.admin.resources.pages import AiPage, Pages, ProductMatches
    from segops.plugins.admin.resources.product_segments import ProductSegment, ProductSegments
    from segops.plugins.admin.resources.products import ImportJob, Product, Products, ProductSchema, ProductScore
    from segops.plugins.admin.resources.queries import AiQuery, AiResult, Queries, Simulation
    from segops.plugins.admin.resources.schemas import EventSchema, Schemas
    from segops.plugins.admin.resources.segments import Segment, SegmentMember, SegmentPreview, Segments, SegmentVersion
    from segops.plugins.admin.resources.users import Explanation, SandboxResult, User, UserEvent, Users, UserSegment
    from segops.plugins.admin.sinks import Progress, Target

__all__ = [
    "RESOURCES",
    "Activation",
    "ActivationHealth",
    "Activations",
    "AiPage",
    "AiQuery",
    "AiResult",
    "Analytics",
    "AsyncItems",
    "AsyncPage",
    "AsyncView",
    "CallCancelled",
    "Competitor",
    "Competitors",
    "Crud",
    "Endpoint",
    "EndpointCall",
    "EventSchema",
    "Explanation",
    "ExportJob",
    "Exportable",
    "Fields",
    "HttpClient",
    "Id",
    "Identity",
    "ImportJob",
    "Items",
    "Method",
    "Options",
    "Overlap",
    "Overview",
    "Page",
    "Pages",
    "Product",
    "ProductMatches",
    "ProductSchema",
    "ProductScore",
    "ProductSegment",
    "ProductSegments",
    "Products",
    "Progress",
    "Queries",
    "Receipt",
    "Record",
    "Resource",
    "SandboxResult",
    "Schemas",
    "Segment",
    "SegmentMember",
    "SegmentPreview",
    "SegmentTrend",
    "SegmentVersion",
    "Segments",
    "Simulation",
    "Target",
    "UpdateMethod",
    "Upload",
    "UpsertReport",
    "User",
    "UserEvent",
    "UserSegment",
    "Users",
    "captured_responses",
    "composite",
    "documented_fields",
    "endpoint",
    "in_thread",
    "methods_of",
]

_HOMES = {
    "csv_files": ("Upload",),
    "bulk": ("UpsertReport",),
    "context": ("CallCancelled", "captured_responses"),
    "concurrency": ("AsyncItems", "AsyncPage", "AsyncView", "in_thread"),
    "crud": ("Crud", "UpdateMethod"),
    "exports": ("Exportable", "ExportJob"),
    "http": ("HttpClient",),
    "namespaces": ("RESOURCES",),
    "options": ("Options",),
    "pagination": ("Items", "Page"),
    "paths": ("Id",),
    "records": ("Receipt", "Record", "documented_fields"),
    "resource": ("EndpointCall", "Endpoint", "Fields", "Resource", "composite", "endpoint"),
    "resources.activations": ("Activation", "Activations"),
    "resources.analytics": ("ActivationHealth", "Analytics", "Overlap", "Overview", "SegmentTrend"),
    "resources.competitors": ("Competitor", "Competitors"),
    "resources.identity": ("Identity",),
    "resources.pages": ("AiPage", "Pages", "ProductMatches"),
    "resources.product_segments": ("ProductSegment", "ProductSegments"),
    "resources.products": ("ImportJob", "Product", "ProductSchema", "ProductScore", "Products"),
    "resources.queries": ("AiQuery", "AiResult", "Queries", "Simulation"),
    "resources.schemas": ("EventSchema", "Schemas"),
    "resources.segments": ("Segment", "SegmentMember", "SegmentPreview", "SegmentVersion", "Segments"),
    "resources.users": ("Explanation", "SandboxResult", "User", "UserEvent", "UserSegment", "Users"),
    "sinks": ("Progress", "Target"),
    "methods": ("Method", "methods_of"),
}

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


@hookimpl
def segops_register_resources() -> dict[str, type[Any]]:
    """Register the namespaces of the product documentation."""
    from segops.plugins.admin.namespaces import RESOURCES  # noqa: PLC0415 - clients do not need them

    return dict(RESOURCES)


if not TYPE_CHECKING:  # or type checkers take every misspelt name for a lazy one

    def __getattr__(name: str) -> Any:
        """Load the module of a public name on first use."""
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _HOMES["concurrency"]:  # freezers find the other modules through the hook, but not these two
            from segops.plugins.admin import concurrency  # noqa: PLC0415

            return getattr(concurrency, name)
        if name in _HOMES["methods"]:
            from segops.plugins.admin import methods  # noqa: PLC0415

            return getattr(methods, name)
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
