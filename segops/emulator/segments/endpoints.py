"""Segments over the API.

Source: wire-protocol.md, sections 6.1 and 11 (points 7 to 12).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from segops.emulator import times
from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.resources.bodies import Field, Name, Text, read_fields, read_nothing
from segops.emulator.resources.crud import Resource, Row, number
from segops.emulator.routing import PAGES, SECRET, Route
from segops.emulator.segments.compiler import DAY, members_statement
from segops.emulator.segments.definition import Group, SegmentMembership, parse_definition
from segops.emulator.segments.evaluate import rows
from segops.emulator.segments.exports import download_export, poll_export, start_export
from segops.emulator.segments.membership import history, list_members, show_membership
from segops.emulator.segments.product_endpoints import PRODUCT_ROUTES
from segops.emulator.segments.queueing import queue

SAMPLE = 10
"""How many of the users a preview shows."""

HISTORY_DAYS = 30
"""How far back the history of member counts goes."""

_EMPTY: Row = {"logic": "AND", "conditions": []}
_PREVIEW = {
    "definition": Field(dict[str, Any]),
    "limit": Field(Annotated[int, msgspec.Meta(ge=1, le=1000)], default=SAMPLE),
}


def _check(call: Call, values: Row, _old: Row | None) -> Row:
    if "definition" in values:
        _checked(call, values["definition"])
    return values


def _checked(call: Call, definition: object) -> Group:
    group = parse_definition(definition)
    for condition in group.leaves():
        if isinstance(condition, SegmentMembership):
            _must_exist(call, condition.segment_id)
    return group


def _must_exist(call: Call, segment_id: int) -> None:
    if not call.database.query("SELECT 1 FROM segments WHERE id = ?", (segment_id,)):
        raise invalid({"definition": [f"There is no segment {segment_id}."]})


SEGMENTS = Resource(
    "segments",
    {
        "name": Field(Name),
        "description": Field(Text, default=""),
        "definition": Field(dict[str, Any], default=_EMPTY, json=True),
        "segment_type": Field(Literal["rule", "ai", "lookalike"], default="rule"),
        "is_active": Field(bool, default=True),
        "member_count": Field(int, read_only=True),
        "last_computed_at": Field(str, read_only=True),
    },
    check=_check,
    also=frozenset({"tenant"}),
    children=dict.fromkeys(("segment_versions", "segment_members", "segment_history", "segment_exports"), "segment_id"),
)


def preview(call: Call) -> Answer:
    """Tell whom a definition matches now, and the SQL that found them; nothing is stored."""
    given = read_fields(call, _PREVIEW)
    statement = members_statement(_checked(call, given["definition"]), call.now)
    with call.database.transaction() as connection:
        matched = [user_id for (user_id,) in rows(connection, statement)]
    return Answer(
        200,
        {
            "matched_users": len(matched),
            "sample_user_ids": matched[: given["limit"]],
            "sql": statement.sql,
            "params": statement.values,
        },
    )


def estimate(call: Call) -> Answer:
    """Tell how many members a segment would have if it were computed now; the number is exact."""
    read_nothing(call)
    segment = SEGMENTS.find(call, number(call))
    statement = members_statement(parse_definition(segment["definition"]), call.now)
    with call.database.transaction() as connection:
        count = len(rows(connection, statement))
    return Answer(200, {"id": segment["id"], "estimated_count": count})


def versions(call: Call) -> Answer:
    """List the definitions that were saved, newest first."""
    SEGMENTS.find(call, number(call))
    found = call.database.query(
        "SELECT version, definition, created_at FROM segment_versions WHERE segment_id = ? ORDER BY version DESC",
        (number(call),),
    )
    return Answer(
        200,
        [
            {"version": version, "definition": msgspec.Raw(definition.encode()), "created_at": created_at}
            for version, definition, created_at in found
        ],
    )


def list_history(call: Call) -> Answer:
    """List how many members the recomputes of the last 30 days found, oldest first; an extra of the local SegOps."""
    SEGMENTS.find(call, number(call))
    found = history(call.database, number(call), times.from_unix(call.now - HISTORY_DAYS * DAY))
    return Answer(200, [{"computed_at": computed_at, "member_count": count} for computed_at, count in found])


def compute(call: Call) -> Answer:
    """Queue the computation of the members; 202. Asking again while it is queued changes nothing."""
    return queue(call, "segments")


PATH = "/api/segments/"
_ONE = f"{PATH}<int:id>/"

ROUTES: tuple[Route, ...] = (
    *SEGMENTS.routes(PATH),
    Route("POST", f"{PATH}preview/", SECRET, preview),
    Route("POST", f"{_ONE}estimate/", SECRET, estimate),
    Route("GET", f"{_ONE}versions/", SECRET, versions, PAGES),
    Route("POST", f"{_ONE}compute/", SECRET, compute),
    Route("GET", f"{_ONE}members/", SECRET, list_members, PAGES | {"limit", "cursor"}),
    Route("GET", f"{_ONE}history/", SECRET, list_history, PAGES),
    Route("GET", f"{PATH}membership/", SECRET, show_membership, frozenset({"user_id"})),
    Route("POST", f"{_ONE}export/", SECRET, start_export),
    Route("GET", f"{_ONE}export/", SECRET, poll_export, frozenset({"export_id"})),
    Route("GET", f"{PATH}exports/<int:id>/download/", SECRET, download_export),
    *PRODUCT_ROUTES,
)
