"""Segment members: list the members of a segment and the segments of a user, as last computed."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import msgspec

from segops.emulator.database import Database
from segops.emulator.pagination import MAX_PAGE_SIZE, PAGE_SIZE, absolute, links, page_of, whole_number
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route, path_id

MAX_LIMIT = 1000
"""Maximum number of members per response when listing by cursor."""

_PERSON = "(SELECT coalesce((SELECT user_id FROM aliases WHERE alias = :id), :id))"

_SEGMENTS = f"""
    SELECT DISTINCT id, name, member_count, last_computed_at
    FROM segments JOIN segment_members ON segment_id = id
    WHERE user_id = {_PERSON} OR user_id IN (SELECT alias FROM aliases WHERE aliases.user_id = {_PERSON})
    ORDER BY id
"""  # noqa: S608 - no user text


class Membership(msgspec.Struct, frozen=True):
    """A segment of a user.

    Attributes:
        segment_id: The id of the segment.
        segment_name: Its name.
        member_count: Its number of members.
        computed_at: When they were computed.
    """

    segment_id: int
    segment_name: str
    member_count: int
    computed_at: str


def segments_of(database: Database, user_id: str) -> list[Membership]:
    """Return the segments of a user as last computed. Any id of the user will do."""
    with database.transaction() as connection:
        return [Membership(*row) for row in connection.execute(_SEGMENTS, {"id": user_id})]


def show_membership(request: RequestContext) -> ApiResponse:
    """List the segments of a user, as last computed."""
    user_id = request.query.get("user_id", "")
    if not user_id:
        raise HTTPError(400, {"user_id": ["This field is required."]})
    segments = [
        {"id": each.segment_id, "name": each.segment_name, "computed_at": each.computed_at}
        for each in segments_of(request.database, user_id)
    ]
    return ApiResponse(200, {"user_id": user_id, "segments": segments})


def list_members(request: RequestContext) -> ApiResponse:
    """List the members, as last computed: by page if `page` is present, otherwise by cursor."""
    segment_id = path_id(request)
    found = request.database.query("SELECT member_count, last_computed_at FROM segments WHERE id = ?", (segment_id,))
    if not found:
        raise HTTPError(404)
    count, computed_at = found[0]
    if "page" in request.query:
        page, size = page_of(request, count)
        members = _members(request.database, segment_id, "", size + 1, (page - 1) * size)
        shown = links(request, count, page, size)
    else:
        size = whole_number(request, "limit", whole_number(request, "page_size", PAGE_SIZE, MAX_PAGE_SIZE), MAX_LIMIT)
        members = _members(request.database, segment_id, _after(request), size + 1, 0)
        shown = {"count": count, "next": None, "previous": None}
    cursor = _cursor(members[size - 1]) if len(members) > size else None
    if cursor is not None and "page" not in request.query:
        shown["next"] = absolute(request, f"{request.path}?{urlencode({**request.query, 'cursor': cursor})}")
    results = [{"user_id": user_id, "computed_at": computed_at} for user_id in members[:size]]
    return ApiResponse(200, {**shown, "next_cursor": cursor, "results": results})


def _members(database: Database, segment_id: int, after: str, limit: int, offset: int) -> list[str]:
    rows = database.query(
        "SELECT user_id FROM segment_members WHERE segment_id = ? AND user_id > ? ORDER BY user_id LIMIT ? OFFSET ?",
        (segment_id, after, limit, offset),
    )
    return [user_id for (user_id,) in rows]


def _cursor(user_id: str) -> str:
    return base64.urlsafe_b64encode(user_id.encode()).decode()


def _after(request: RequestContext) -> str:
    try:
        return base64.b64decode(request.query.get("cursor", ""), b"-_", validate=True).decode()
    except ValueError:
        raise HTTPError(404, "Invalid cursor.") from None


_PATH = "/api/segments/"
TABLES = (
    # All members of a segment were computed at its last_computed_at.
    """
    CREATE TABLE segment_members (
        segment_id INTEGER NOT NULL,
        user_id TEXT NOT NULL,
        PRIMARY KEY (segment_id, user_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX segment_members_by_user ON segment_members (user_id)",
)
ROUTES = (
    Route("GET", f"{_PATH}<int:id>/members/", SECRET, list_members, PAGES | {"limit", "cursor"}),
    Route("GET", f"{_PATH}membership/", SECRET, show_membership, frozenset({"user_id"})),
)
