"""Segments: define groups of users, preview them, and compute their members."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from segops.emulator import times
from segops.emulator.bodies import Field, Name, Text, read_fields, read_nothing
from segops.emulator.crud import Resource
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route, path_id
from segops.emulator.segments.compiler import DAY, members_statement
from segops.emulator.segments.definition import Group, SegmentMembership, parse_definition
from segops.emulator.segments.evaluate import rows
from segops.emulator.tables import Row

PREVIEW_USERS = 10
"""Number of user ids in a preview."""

HISTORY_DAYS = 30
"""How far back the history of member counts goes."""

EMPTY_DEFINITION: Row = {"logic": "AND", "conditions": []}

_PREVIEW = {
    "definition": Field(dict[str, Any]),
    "limit": Field(Annotated[int, msgspec.Meta(ge=1, le=1000)], default=PREVIEW_USERS),
}


def _check(request: RequestContext, values: Row, _old: Row | None) -> Row:
    if "definition" in values:
        _parse(request, values["definition"])
    return values


def _parse(request: RequestContext, definition: object) -> Group:
    group = parse_definition(definition)
    for condition in group.leaves():
        if isinstance(condition, SegmentMembership):
            check_segment(request, condition.segment_id)
    return group


def check_segment(request: RequestContext, segment_id: int) -> None:
    """Check that a segment that a definition refers to exists.

    Raises:
        HTTPError: 400; it does not exist.
    """
    if not request.database.query("SELECT 1 FROM segments WHERE id = ?", (segment_id,)):
        raise HTTPError(400, {"definition": [f"Segment {segment_id} does not exist."]})


segments = Resource(
    "segments",
    {
        "name": Field(Name),
        "description": Field(Text, default=""),
        "definition": Field(dict[str, Any], default=EMPTY_DEFINITION, json=True),
        "segment_type": Field(Literal["rule", "ai", "lookalike"], default="rule"),
        "is_active": Field(bool, default=True),
        "member_count": Field(int, 0, read_only=True),
        "last_computed_at": Field(str, read_only=True),
    },
    check=_check,
    ignored=frozenset({"tenant"}),
    children=dict.fromkeys(("segment_versions", "segment_members", "segment_history", "segment_exports"), "segment_id"),
    hidden=("compute_due_at REAL",),
)


def preview(request: RequestContext) -> ApiResponse:
    """Find the users who match a definition now, with the SQL that found them. Nothing is stored."""
    body = read_fields(request, _PREVIEW)
    statement = members_statement(_parse(request, body["definition"]), request.now)
    with request.database.transaction() as connection:
        matched = [user_id for (user_id,) in rows(connection, statement)]
    result = {
        "matched_users": len(matched),
        "sample_user_ids": matched[: body["limit"]],
        "sql": statement.sql,
        "params": statement.values,
    }
    return ApiResponse(200, result)


def estimate(request: RequestContext) -> ApiResponse:
    """Count the members that a segment would have if it were computed now. The count is exact."""
    read_nothing(request)
    segment = segments.find(request, path_id(request))
    statement = members_statement(parse_definition(segment["definition"]), request.now)
    with request.database.transaction() as connection:
        count = len(rows(connection, statement))
    return ApiResponse(200, {"id": segment["id"], "estimated_count": count})


def versions(request: RequestContext) -> ApiResponse:
    """List the saved definitions of a segment, newest first."""
    segments.find(request, path_id(request))
    found = request.database.query(
        "SELECT version, definition, created_at FROM segment_versions WHERE segment_id = ? ORDER BY version DESC",
        (path_id(request),),
    )
    result = [
        {"version": version, "definition": msgspec.Raw(definition.encode()), "created_at": created_at}
        for version, definition, created_at in found
    ]
    return ApiResponse(200, result)


def list_history(request: RequestContext) -> ApiResponse:
    """List the member counts of the recomputes of the last 30 days, oldest first. Exists only locally."""
    segments.find(request, path_id(request))
    found = request.database.query(
        "SELECT computed_at, member_count FROM segment_history WHERE segment_id = ? AND computed_at >= ? "
        "ORDER BY computed_at, id",
        (path_id(request), times.from_unix(request.now - HISTORY_DAYS * DAY)),
    )
    return ApiResponse(200, [{"computed_at": computed_at, "member_count": count} for computed_at, count in found])


def compute(request: RequestContext) -> ApiResponse:
    """Queue the computation of the members."""
    return enqueue(request, "segments")


def enqueue(request: RequestContext, table: Literal["segments", "product_segments"]) -> ApiResponse:
    """Queue the computation of the row in the path. A queued computation keeps its time.

    Raises:
        HTTPError: 404; the row does not exist.
    """
    read_nothing(request)
    with request.database.transaction() as connection:
        found = connection.execute(
            f"UPDATE {table} SET compute_due_at = coalesce(compute_due_at, ?) WHERE id = ?",  # noqa: S608 - no user text
            (request.now + request.compute_delay, path_id(request)),
        ).rowcount
    if not found:
        raise HTTPError(404)
    return ApiResponse(202, {"status": "queued"})


_PATH = "/api/segments/"
_ONE = f"{_PATH}<int:id>/"
TABLES = (
    segments.schema,
    "CREATE INDEX segments_due ON segments (compute_due_at) WHERE compute_due_at IS NOT NULL",
    """
    CREATE TABLE segment_versions (
        segment_id INTEGER NOT NULL,
        version INTEGER NOT NULL,
        definition TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (segment_id, version)
    ) WITHOUT ROWID
    """,
    # Every saved definition becomes a version, however it is saved.
    """
    CREATE TRIGGER segment_created AFTER INSERT ON segments BEGIN
        INSERT INTO segment_versions VALUES (NEW.id, 1, NEW.definition, NEW.updated_at);
    END
    """,
    """
    CREATE TRIGGER segment_changed AFTER UPDATE OF definition ON segments BEGIN
        INSERT INTO segment_versions
        SELECT NEW.id, max(version) + 1, NEW.definition, NEW.updated_at FROM segment_versions WHERE segment_id = NEW.id;
    END
    """,
    # One row for each recompute.
    """
    CREATE TABLE segment_history (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        segment_id INTEGER NOT NULL,
        computed_at TEXT NOT NULL,
        member_count INTEGER NOT NULL
    )
    """,
    "CREATE INDEX segment_history_by_time ON segment_history (segment_id, computed_at)",
)
ROUTES = (
    *segments.routes(_PATH),
    Route("POST", f"{_PATH}preview/", SECRET, preview),
    Route("POST", f"{_ONE}estimate/", SECRET, estimate),
    Route("GET", f"{_ONE}versions/", SECRET, versions, PAGES),
    Route("POST", f"{_ONE}compute/", SECRET, compute),
    Route("GET", f"{_ONE}history/", SECRET, list_history, PAGES),
)
