"""AI metrics: how visible the tenant's brand is in the answers of AI assistants."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from segops.emulator.resources.ai_queries import ai_results
from segops.emulator.resources.competitors import competitors
from segops.emulator.resources.tenant import setting
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route
from segops.emulator.simulator import PROVIDERS
from segops.emulator.tables import Row

_MAX_BRANDS = 10


def dashboard(request: RequestContext) -> ApiResponse:
    """Summarize the results of all registered queries."""
    rows = ai_results.rows(request.database, "query IS NOT NULL")
    own = setting(request.database, "brand_name").casefold()
    (total,) = request.database.query("SELECT count(*) FROM ai_queries")[0]
    by_provider = {name: [row for row in rows if row["provider"] == name] for name in PROVIDERS}
    body = {
        "query_count": total,
        **_metrics(rows, own),
        "last_captured_at": rows[-1]["captured_at"] if rows else None,
        "providers": [{"provider": name, **_metrics(found, own)} for name, found in by_provider.items() if found],
        "top_brands": _top_brands(rows),
        "is_simulated": True,
    }
    return ApiResponse(200, body)


def win_rate(request: RequestContext) -> ApiResponse:
    """Compare the positions of the own brand and of each active competitor, the best win rate first."""
    provider = request.query.get("provider")
    if provider not in {None, *PROVIDERS}:
        raise HTTPError(400, {"provider": [f"Unknown provider: known are {', '.join(PROVIDERS)}."]})
    rows = ai_results.rows(request.database, "query IS NOT NULL AND provider = coalesce(?, provider)", (provider,))
    own = setting(request.database, "brand_name").casefold()
    rates = [_rate(rows, own, competitor) for competitor in competitors.all(request, "is_active")]
    return ApiResponse(200, sorted(rates, key=lambda rate: (-rate["win_rate"], rate["competitor_name"])))


def _metrics(rows: list[Row], own: str) -> dict[str, Any]:
    positions = [position for row in rows if (position := _position(row, {own})) is not None]
    mentions = sum(len(row["mentioned_brands"]) for row in rows)
    sentiments = [
        each["sentiment"] for row in rows for each in row["mentioned_brands"] if each["name"].casefold() == own
    ]
    return {
        "result_count": len(rows),
        "mention_rate": _ratio(len(positions), len(rows)),
        "average_position": round(fmean(positions), 2) if positions else 0,
        "share_of_voice": _ratio(len(positions), mentions),
        "sentiment": round(fmean(sentiments), 2) if sentiments else None,
    }


def _top_brands(rows: list[Row]) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    for row in rows:
        for mention in row["mentioned_brands"]:
            counts[mention["name"]] = counts.get(mention["name"], 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"name": name, "mentions": count} for name, count in ranked[:_MAX_BRANDS]]


def _rate(rows: list[Row], own: str, competitor: Row) -> dict[str, Any]:
    names = {name.casefold() for name in [competitor["name"], *competitor["brand_aliases"]]}
    pairs = [(_position(row, {own}), _position(row, names)) for row in rows]
    wins = sum(mine is not None and (theirs is None or mine < theirs) for mine, theirs in pairs)
    losses = sum(theirs is not None and (mine is None or theirs < mine) for mine, theirs in pairs)
    ties = sum(mine is not None and mine == theirs for mine, theirs in pairs)
    return {
        "competitor_id": competitor["id"],
        "competitor_name": competitor["name"],
        "wins": wins,
        "losses": losses,
        "ties": ties,
        "win_rate": _ratio(wins, wins + losses + ties),
    }


def _position(row: Row, names: set[str]) -> int | None:
    """Return the best position of a brand in a result, ignoring the case of its names."""
    return min((each["position"] for each in row["mentioned_brands"] if each["name"].casefold() in names), default=None)


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0


TABLES = ()
ROUTES = (
    Route("GET", "/api/ai-reach/dashboard/", SECRET, dashboard),
    Route("GET", "/api/ai-reach/win-rate/", SECRET, win_rate, PAGES | {"provider"}),
)
