"""Product segments over the API.

Source: wire-protocol.md, section 6.2.
"""

from __future__ import annotations

from typing import Any

from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.pagination import paginate
from segops.emulator.resources.bodies import Field, Name, Text
from segops.emulator.resources.crud import Resource, Row, number
from segops.emulator.routing import PAGES, SECRET, Route
from segops.emulator.segments.definition import parse_definition
from segops.emulator.segments.product import ProductCondition, UserBehaviorSignal
from segops.emulator.segments.queueing import queue

_EMPTY: Row = {"logic": "AND", "conditions": []}


def _check(call: Call, values: Row, _old: Row | None) -> Row:
    if "definition" in values:
        for condition in parse_definition(values["definition"], ProductCondition).leaves():
            if isinstance(condition, UserBehaviorSignal):
                _must_exist(call, int(condition.segment_id))
    return values


def _must_exist(call: Call, segment_id: int) -> None:
    if not call.database.query("SELECT 1 FROM segments WHERE id = ?", (segment_id,)):
        raise invalid({"definition": [f"There is no segment {segment_id}."]})


PRODUCT_SEGMENTS = Resource(
    "product_segments",
    {
        "name": Field(Name),
        "description": Field(Text, default=""),
        "definition": Field(dict[str, Any], default=_EMPTY, json=True),
        "computed_count": Field(int, read_only=True),
        "last_computed_at": Field(str, read_only=True),
    },
    check=_check,
    children={"product_segment_members": "product_segment_id"},
)


def compute(call: Call) -> Answer:
    """Queue the computation of the SKUs; 202."""
    return queue(call, "product_segments")


def list_members(call: Call) -> Answer:
    """List the SKUs, as last computed."""
    segment = PRODUCT_SEGMENTS.find(call, number(call))
    return paginate(
        call,
        "product_segment_members WHERE product_segment_id = ?",
        (segment["id"],),
        order="sku",
        columns="sku",
        show=lambda sku: {"sku": sku, "computed_at": segment["last_computed_at"]},
    )


_PATH = "/api/product-segments/"

PRODUCT_ROUTES: tuple[Route, ...] = (
    *PRODUCT_SEGMENTS.routes(_PATH),
    Route("POST", f"{_PATH}<int:id>/compute/", SECRET, compute),
    Route("GET", f"{_PATH}<int:id>/members/", SECRET, list_members, PAGES),
)
