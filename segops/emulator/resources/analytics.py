"""Analytics: figures about the tenant."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from segops.emulator import times
from segops.emulator.responses import ApiResponse
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route

DAYS = 30
ANONYMOUS_EVENTS = 3
"""Events in a month from which an anonymous visitor counts as a tracked user."""

_LOGS_SHOWN = 5
_LOGS_RATED = 30
_DAY_SECONDS = 86_400

_OVERLAP = """
    SELECT a.segment_id AS seg_a_id, sa.name AS seg_a_name, b.segment_id AS seg_b_id, sb.name AS seg_b_name,
        count(*) AS overlap,
        round(100.0 * count(*) / min(sa.member_count, sb.member_count), 2) AS overlap_pct
    FROM segment_members AS a
    JOIN segment_members AS b ON b.user_id = a.user_id AND b.segment_id > a.segment_id
    JOIN segments AS sa ON sa.id = a.segment_id JOIN segments AS sb ON sb.id = b.segment_id
    GROUP BY a.segment_id, b.segment_id ORDER BY overlap DESC, a.segment_id, b.segment_id LIMIT 20
"""

_TRACKED = """
    SELECT count(*) FROM (
        SELECT user_id, count(*) AS events FROM activity WHERE occurred_at >= ? AND occurred_at < ? GROUP BY user_id
    ) WHERE (user_id <> 'anonymous' AND user_id NOT LIKE 'anon\\_%' ESCAPE '\\') OR events >= ?
"""


def overview(request: RequestContext) -> ApiResponse:
    """Count segments, members, events of the last 30 days, and AI results."""
    since = times.from_unix(request.now - DAYS * _DAY_SECONDS)
    (segments, members) = request.database.query("SELECT count(*), total(member_count) FROM segments")[0]
    (events,) = request.database.query("SELECT count(*) FROM events WHERE occurred_at >= ?", (since,))[0]
    (credits_used,) = request.database.query("SELECT count(*) FROM ai_results")[0]
    body = {
        "segment_count": segments,
        "total_members": int(members),
        "events_30d": events,
        "ai_credits_used": credits_used,
        "ai_credits_limit": -1,
    }
    return ApiResponse(200, body)


def segments(request: RequestContext) -> ApiResponse:
    """List the active segments with their member counts on each of the last 30 days."""
    rows = request.database.records(
        "SELECT id, name, member_count, last_computed_at FROM segments WHERE is_active ORDER BY id"
    )
    return ApiResponse(200, [{**row, "trend": _trend(request, row["id"])} for row in rows])


def overlap(request: RequestContext) -> ApiResponse:
    """List the 20 pairs of segments with the largest overlap."""
    return ApiResponse(200, request.database.records(_OVERLAP))


def activations(request: RequestContext) -> ApiResponse:
    """List the activations with their last syncs and their success rate."""
    rows = request.database.records(
        """
        SELECT activations.id, activations.segment AS segment_id, segments.name AS segment_name, connector_type, status,
            last_synced_at, last_error, coalesce(segments.member_count, 0) AS member_count
        FROM activations LEFT JOIN segments ON segments.id = activations.segment ORDER BY activations.id
        """
    )
    return ApiResponse(200, [{**row, **_syncs(request, row["id"])} for row in rows])


def usage(request: RequestContext) -> ApiResponse:
    """Count the events and the tracked users of this calendar month."""
    now = datetime.fromtimestamp(request.now, timezone.utc)
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=32)).replace(day=1)
    period = (times.from_unix(start.timestamp()), times.from_unix(end.timestamp()))
    (events,) = request.database.query(
        "SELECT count(*) FROM events WHERE occurred_at >= ? AND occurred_at < ?", period
    )[0]
    (tracked,) = request.database.query(_TRACKED, (*period, ANONYMOUS_EVENTS))[0]
    body = {
        "period_start": start.strftime("%Y-%m-%d"),
        "period_end": end.strftime("%Y-%m-%d"),
        "event_count": events,
        "event_limit": -1,
        "mtu_computed": tracked,
        "mtu_limit": -1,
    }
    return ApiResponse(200, body)


def _trend(request: RequestContext, segment_id: int) -> list[dict[str, Any]]:
    """Return the number of members at the end of each day, which is 0 before the first recompute."""
    history = request.database.query(
        "SELECT computed_at, member_count FROM segment_history WHERE segment_id = ? ORDER BY computed_at, id",
        (segment_id,),
    )
    today = datetime.fromtimestamp(request.now, timezone.utc).date()
    trend = []
    at, count = 0, 0
    for day in (today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)):
        while at < len(history) and history[at][0][:10] <= day.isoformat():
            count = history[at][1]
            at += 1
        trend.append({"day": day.isoformat(), "count": count})
    return trend


def _syncs(request: RequestContext, activation_id: int) -> dict[str, Any]:
    rows = request.database.records(
        "SELECT status, user_count, error_message, synced_at FROM sync_logs WHERE activation_id = ? "
        "ORDER BY id DESC LIMIT ?",
        (activation_id, _LOGS_RATED),
    )
    rate = sum(row["status"] == "success" for row in rows) / len(rows) if rows else None
    return {"success_rate": rate, "sync_logs": rows[:_LOGS_SHOWN]}


TABLES = ()
ROUTES = (
    Route("GET", "/api/analytics/overview/", SECRET, overview),
    Route("GET", "/api/analytics/segments/", SECRET, segments, PAGES),
    Route("GET", "/api/analytics/overlap/", SECRET, overlap, PAGES),
    Route("GET", "/api/analytics/activations/", SECRET, activations, PAGES),
    Route("GET", "/api/analytics/usage/", SECRET, usage),
)
