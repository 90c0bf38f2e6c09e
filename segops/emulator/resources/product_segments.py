"""Product segments: define groups of products, and compute them."""

from __future__ import annotations

from typing import Any

from segops.emulator.bodies import Field, Name, Text
from segops.emulator.crud import Resource
from segops.emulator.pagination import paginate
from segops.emulator.resources.segments import EMPTY_DEFINITION, check_segment, enqueue
from segops.emulator.responses import ApiResponse
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route, path_id
from segops.emulator.segments.definition import parse_definition
from segops.emulator.segments.products import ProductCondition, UserBehaviorSignal
from segops.emulator.tables import Row


def _check(request: RequestContext, values: Row, _old: Row | None) -> Row:
    if "definition" in values:
        for condition in parse_definition(values["definition"], ProductCondition).leaves():
            if isinstance(condition, UserBehaviorSignal):
                check_segment(request, int(condition.segment_id))
    return values


product_segments = Resource(
    "product_segments",
    {
        "name": Field(Name),
        "description": Field(Text, default=""),
        "definition": Field(dict[str, Any], default=EMPTY_DEFINITION, json=True),
        "computed_count": Field(int, 0, read_only=True),
        "last_computed_at": Field(str, read_only=True),
    },
    check=_check,
    children={"product_segment_members": "product_segment_id"},
    hidden=("compute_due_at REAL",),
)


def compute(request: RequestContext) -> ApiResponse:
    """Queue the computation of the SKUs."""
    return enqueue(request, "product_segments")


def list_members(request: RequestContext) -> ApiResponse:
    """List the SKUs, as last computed."""
    segment = product_segments.find(request, path_id(request))
    return paginate(
        request,
        "product_segment_members WHERE product_segment_id = ?",
        (segment["id"],),
        order="sku",
        columns=("sku",),
        show=lambda sku: {"sku": sku, "computed_at": segment["last_computed_at"]},
    )


_PATH = "/api/product-segments/"
TABLES = (
    product_segments.schema,
    "CREATE INDEX product_segments_due ON product_segments (compute_due_at) WHERE compute_due_at IS NOT NULL",
    """
    CREATE TABLE product_segment_members (
        product_segment_id INTEGER NOT NULL,
        sku TEXT NOT NULL,
        PRIMARY KEY (product_segment_id, sku)
    ) WITHOUT ROWID
    """,
)
ROUTES = (
    *product_segments.routes(_PATH),
    Route("POST", f"{_PATH}<int:id>/compute/", SECRET, compute),
    Route("GET", f"{_PATH}<int:id>/members/", SECRET, list_members, PAGES),
)
