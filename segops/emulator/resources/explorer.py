"""The explorer: who the users are, what they did, which segments they are in.

A user is all that happened under an id and under the ids that are aliases of it.
Source: wire-protocol.md, section 6.6.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.answers import Answer, invalid, refuse
from segops.emulator.call import Call
from segops.emulator.ingestion import insert, read_event
from segops.emulator.pagination import whole_number
from segops.emulator.resources.crud import number
from segops.emulator.segments.explain import explain_user, would_change

_MOST_USERS = 200
_MOST_EVENTS = 500

_OWN = "user_id IN (SELECT alias FROM aliases WHERE user_id = ?1 UNION ALL SELECT ?1)"


def search(call: Call) -> Answer:
    """List users whose id contains `q`, the most recently active first; at most `limit` (20)."""
    needle = call.query.get("q", "").casefold()
    where = "WHERE instr(casefold(user_id), ?)" if needle else ""
    values = [needle] if needle else []
    (count,) = call.database.query(f"SELECT count(DISTINCT user_id) FROM activity {where}", values)[0]  # noqa: S608 - no user text
    rows = call.database.query(
        f"SELECT user_id, count(*), min(occurred_at), max(occurred_at) FROM activity {where} "  # noqa: S608 - no user text
        "GROUP BY user_id ORDER BY 4 DESC, 1 LIMIT ?",
        [*values, whole_number(call, "limit", 20, _MOST_USERS)],
    )
    names = ("user_id", "event_count", "first_seen", "last_seen")
    return Answer(200, {"count": count, "results": [dict(zip(names, row, strict=True)) for row in rows]})


def profile(call: Call) -> Answer:
    """Read what is known of a user; 404 without events."""
    user_id = known_user(call)
    (row,) = call.database.query(
        f"SELECT count(*), count(DISTINCT event_type), min(occurred_at), max(occurred_at) FROM events WHERE {_OWN}",  # noqa: S608 - no user text
        (user_id,),
    )
    names = ("event_count", "event_type_count", "first_seen", "last_seen")
    return Answer(200, {"user_id": user_id, **dict(zip(names, row, strict=True)), "properties": _traits(call, user_id)})


def events(call: Call) -> Answer:
    """List the events of a user, newest first: of an `event_type`, `since` a time, at most `limit` (50)."""
    user_id = known_user(call)
    where = f"{_OWN} AND event_type = coalesce(?2, event_type) AND occurred_at >= ?3"
    values = (user_id, call.query.get("event_type"), _since(call))
    (count,) = call.database.query(f"SELECT count(*) FROM events WHERE {where}", values)[0]  # noqa: S608 - no user text
    rows = call.database.query(
        f"SELECT event_type, occurred_at, payload FROM events WHERE {where} "  # noqa: S608 - no user text
        "ORDER BY occurred_at DESC, id DESC LIMIT ?4",
        (*values, whole_number(call, "limit", 50, _MOST_EVENTS)),
    )
    results = [
        {"event_type": event_type, "occurred_at": occurred_at, "payload": msgspec.Raw(payload)}
        for event_type, occurred_at, payload in rows
    ]
    return Answer(200, {"count": count, "results": results})


def user_segments(call: Call) -> Answer:
    """List the segments that a user is in."""
    rows = call.database.query(
        """
        SELECT segments.id, segments.name, segments.member_count, segments.last_computed_at
        FROM segment_members JOIN segments ON segments.id = segment_members.segment_id
        WHERE segment_members.user_id = ? ORDER BY segments.id
        """,
        (known_user(call),),
    )
    names = ("segment_id", "segment_name", "member_count", "computed_at")
    return Answer(200, [dict(zip(names, row, strict=True)) for row in rows])


def explain(call: Call) -> Answer:
    """Tell for each condition of a segment what the value of a user is, and whether it matches."""
    rows = explain_user(call.database, number(call), known_user(call), call.now)
    if rows is None:
        raise refuse(404, "Not found.")
    return Answer(200, rows)


def publish_sandbox(call: Call) -> Answer:
    """Tell which active segments a user would enter or leave with one more event; nothing is stored."""
    row = read_event(call)

    def store(connection: sqlite3.Connection) -> str:
        if not insert(connection, [row]):
            raise invalid({"payload": ["Nested too deeply."]})
        return row[0]

    entered, exited, unchanged = would_change(call.database, store, call.now)
    body = {
        "published": True,
        "entered": [{"id": segment, "name": name} for segment, name in entered],
        "exited": [{"id": segment, "name": name} for segment, name in exited],
        "unchanged_count": unchanged,
    }
    return Answer(200, body)


def known_user(call: Call) -> str:
    """Return the user that the id in the path stands for.

    Raises:
        Refusal: 404; nobody has done anything under that id.
    """
    given = call.params["uid"]
    rows = call.database.query("SELECT user_id FROM aliases WHERE alias = ?", (given,))
    user_id = str(rows[0][0]) if rows else given
    if not call.database.query(f"SELECT 1 FROM events WHERE {_OWN} LIMIT 1", (user_id,)):  # noqa: S608 - no user text
        raise refuse(404, "Not found.")
    return user_id


def _traits(call: Call, user_id: str) -> Any:
    """Return the payload of the latest identification, the set of traits of today."""
    rows = call.database.query(
        f"SELECT payload FROM events WHERE {_OWN} AND event_type = 'context_identified' "  # noqa: S608 - no user text
        "ORDER BY occurred_at DESC, id DESC LIMIT 1",
        (user_id,),
    )
    return msgspec.Raw(rows[0][0]) if rows else {}


def _since(call: Call) -> str:
    text = call.query.get("since")
    try:
        return times.from_text(text) if text else ""
    except ValueError as error:
        raise invalid({"since": [str(error)]}) from None
