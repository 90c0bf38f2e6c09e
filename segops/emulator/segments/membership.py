"""Who is in which segment, as last computed.

Source: wire-protocol.md, sections 1.8, 6.1 and 11 (points 8 and 9).
"""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import msgspec

from segops.emulator.answers import Answer, invalid, refuse
from segops.emulator.call import Call
from segops.emulator.database import Database
from segops.emulator.pagination import MAX_PAGE_SIZE, PAGE_SIZE, absolute, links, page_of, whole_number

MAX_LIMIT = 1000
"""The most members of one answer by cursor."""

_PERSON = "(SELECT coalesce((SELECT user_id FROM aliases WHERE alias = :id), :id))"

_SEGMENTS = f"""
    SELECT DISTINCT id, name, member_count, last_computed_at
    FROM segments JOIN segment_members ON segment_id = id
    WHERE user_id = {_PERSON} OR user_id IN (SELECT alias FROM aliases WHERE aliases.user_id = {_PERSON})
    ORDER BY id
"""  # noqa: S608 - no user text


class Membership(msgspec.Struct, frozen=True):
    """A segment that a user is in.

    Attributes:
        segment_id: The segment.
        segment_name: Its name.
        member_count: How many members it has.
        computed_at: When they were computed.
    """

    segment_id: int
    segment_name: str
    member_count: int
    computed_at: str


def segments_of(database: Database, user_id: str) -> list[Membership]:
    """Return the segments that a user, given by any of their ids, was in when each was last computed."""
    with database.transaction() as connection:
        return [Membership(*row) for row in connection.execute(_SEGMENTS, {"id": user_id})]


def history(database: Database, segment_id: int, since: str = "") -> list[tuple[str, int]]:
    """Return when a segment was computed and how many members were found, oldest first.

    Args:
        database: Where everything is.
        segment_id: The segment.
        since: A time such as "2027-01-05T09:30:00.000000Z": what came before is left out.
    """
    return database.query(
        "SELECT computed_at, member_count FROM segment_history WHERE segment_id = ? AND computed_at >= ? "
        "ORDER BY computed_at, id",
        (segment_id, since),
    )


def show_membership(call: Call) -> Answer:
    """List the segments that a user was in when each was last computed."""
    user_id = call.query.get("user_id", "")
    if not user_id:
        raise invalid({"user_id": ["This field is required."]})
    segments = [
        {"id": each.segment_id, "name": each.segment_name, "computed_at": each.computed_at}
        for each in segments_of(call.database, user_id)
    ]
    return Answer(200, {"user_id": user_id, "segments": segments})


def list_members(call: Call) -> Answer:
    """List the members, as last computed: by page if `page` is given, otherwise by cursor; the answer suits both."""
    segment_id = int(call.params["id"])
    found = call.database.query("SELECT member_count, last_computed_at FROM segments WHERE id = ?", (segment_id,))
    if not found:
        raise refuse(404, "Not found.")
    count, computed_at = found[0]
    if "page" in call.query:
        page, size = page_of(call, count)
        members = _members(call.database, segment_id, "", size + 1, (page - 1) * size)
        shown = links(call, count, page, size)
    else:
        size = whole_number(call, "limit", whole_number(call, "page_size", PAGE_SIZE, MAX_PAGE_SIZE), MAX_LIMIT)
        members = _members(call.database, segment_id, _after(call), size + 1, 0)
        shown = {"count": count, "next": None, "previous": None}
    cursor = _cursor(members[size - 1]) if len(members) > size else None
    if cursor is not None and "page" not in call.query:
        shown["next"] = absolute(call, f"{call.path}?{urlencode({**call.query, 'cursor': cursor})}")
    results = [{"user_id": user_id, "computed_at": computed_at} for user_id in members[:size]]
    return Answer(200, {**shown, "next_cursor": cursor, "results": results})


def _members(database: Database, segment_id: int, after: str, limit: int, offset: int) -> list[str]:
    rows = database.query(
        "SELECT user_id FROM segment_members WHERE segment_id = ? AND user_id > ? ORDER BY user_id LIMIT ? OFFSET ?",
        (segment_id, after, limit, offset),
    )
    return [user_id for (user_id,) in rows]


def _cursor(user_id: str) -> str:
    return base64.urlsafe_b64encode(user_id.encode()).decode()


def _after(call: Call) -> str:
    try:
        return base64.b64decode(call.query.get("cursor", ""), b"-_", validate=True).decode()
    except ValueError:
        raise refuse(404, "Invalid cursor.") from None
