"""Explorer: look up users, their events, and their segments.

A user consists of everything that happened under an id and its aliases.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.pagination import whole_number
from segops.emulator.resources.ingestion import insert, read_event
from segops.emulator.resources.segment_members import segments_of
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route, path_id
from segops.emulator.segments.explain import explain_user, would_change

_MAX_USERS = 200
_MAX_EVENTS = 500

_OWN = "user_id IN (SELECT alias FROM aliases WHERE user_id = :user_id UNION ALL SELECT :user_id)"


def search(request: RequestContext) -> ApiResponse:
    """List users whose id contains `q`, the most recently active first. `limit` defaults to 20."""
    needle = request.query.get("q", "").casefold()
    where = "WHERE instr(casefold(user_id), ?)" if needle else ""
    values = [needle] if needle else []
    (count,) = request.database.query(f"SELECT count(DISTINCT user_id) FROM activity {where}", values)[0]  # noqa: S608 - no user text
    rows = request.database.records(
        "SELECT user_id, count(*) AS event_count, min(occurred_at) AS first_seen, max(occurred_at) AS last_seen "  # noqa: S608 - no user text
        f"FROM activity {where} GROUP BY user_id ORDER BY 4 DESC, 1 LIMIT ?",
        [*values, whole_number(request, "limit", 20, _MAX_USERS)],
    )
    return ApiResponse(200, {"count": count, "results": rows})


def profile(request: RequestContext) -> ApiResponse:
    """Read the profile of a user."""
    user_id = known_user(request)
    (row,) = request.database.records(
        "SELECT count(*) AS event_count, count(DISTINCT event_type) AS event_type_count, "  # noqa: S608 - no user text
        f"min(occurred_at) AS first_seen, max(occurred_at) AS last_seen FROM events WHERE {_OWN}",
        {"user_id": user_id},
    )
    return ApiResponse(200, {"user_id": user_id, **row, "properties": _traits(request, user_id)})


def events(request: RequestContext) -> ApiResponse:
    """List the events of a user, newest first, by `event_type` and `since` a time. `limit` defaults to 50."""
    user_id = known_user(request)
    where = f"{_OWN} AND event_type = coalesce(:event_type, event_type) AND occurred_at >= :since"
    values = {"user_id": user_id, "event_type": request.query.get("event_type"), "since": _since(request)}
    (count,) = request.database.query(f"SELECT count(*) FROM events WHERE {where}", values)[0]  # noqa: S608 - no user text
    rows = request.database.query(
        f"SELECT event_type, occurred_at, payload FROM events WHERE {where} "  # noqa: S608 - no user text
        "ORDER BY occurred_at DESC, id DESC LIMIT :limit",
        {**values, "limit": whole_number(request, "limit", 50, _MAX_EVENTS)},
    )
    results = [
        {"event_type": event_type, "occurred_at": occurred_at, "payload": msgspec.Raw(payload)}
        for event_type, occurred_at, payload in rows
    ]
    return ApiResponse(200, {"count": count, "results": results})


def user_segments(request: RequestContext) -> ApiResponse:
    """List the segments of a user."""
    return ApiResponse(200, segments_of(request.database, known_user(request)))


def explain(request: RequestContext) -> ApiResponse:
    """Explain for each condition of a segment whether a user matches it, and with which value."""
    rows = explain_user(request.database, path_id(request), known_user(request), request.now)
    if rows is None:
        raise HTTPError(404)
    return ApiResponse(200, rows)


def publish_sandbox(request: RequestContext) -> ApiResponse:
    """Show which active segments a user would enter or leave with one more event. Nothing is stored."""
    row = read_event(request)

    def store(connection: sqlite3.Connection) -> str:
        if not insert(connection, [row]):
            raise HTTPError(400, {"payload": ["Nested too deeply."]})
        return row[0]

    entered, exited, unchanged = would_change(request.database, store, request.now)
    body = {
        "published": True,
        "entered": [{"id": segment, "name": name} for segment, name in entered],
        "exited": [{"id": segment, "name": name} for segment, name in exited],
        "unchanged_count": unchanged,
    }
    return ApiResponse(200, body)


def known_user(request: RequestContext) -> str:
    """Return the user behind the id in the path.

    Raises:
        HTTPError: 404; the id has no events.
    """
    uid = request.params["uid"]
    rows = request.database.query("SELECT user_id FROM aliases WHERE alias = ?", (uid,))
    user_id = str(rows[0][0]) if rows else uid
    if not request.database.query(f"SELECT 1 FROM events WHERE {_OWN} LIMIT 1", {"user_id": user_id}):  # noqa: S608 - no user text
        raise HTTPError(404)
    return user_id


def _traits(request: RequestContext, user_id: str) -> Any:
    """Return the current traits, the payload of the latest identification."""
    rows = request.database.query(
        f"SELECT payload FROM events WHERE {_OWN} AND event_type = 'context_identified' "  # noqa: S608 - no user text
        "ORDER BY occurred_at DESC, id DESC LIMIT 1",
        {"user_id": user_id},
    )
    return msgspec.Raw(rows[0][0]) if rows else {}


def _since(request: RequestContext) -> str:
    text = request.query.get("since")
    try:
        return times.from_text(text) if text else ""
    except ValueError as error:
        raise HTTPError(400, {"since": [str(error)]}) from None


_USER = "/api/explorer/users/<uid>/"
TABLES = ()
ROUTES = (
    Route("GET", "/api/explorer/users/", SECRET, search, PAGES | {"q", "limit"}),
    Route("GET", _USER, SECRET, profile),
    Route("GET", f"{_USER}events/", SECRET, events, PAGES | {"event_type", "limit", "since"}),
    Route("GET", f"{_USER}segments/", SECRET, user_segments, PAGES),
    Route("GET", f"{_USER}segments/<int:id>/explain/", SECRET, explain, PAGES),
    Route("POST", "/api/explorer/sandbox/publish/", SECRET, publish_sandbox),
)
