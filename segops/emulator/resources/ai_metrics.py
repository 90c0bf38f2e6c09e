"""How visible the tenant's brand is in the answers of AI assistants.

Source: wire-protocol.md, section 6.8.
"""

from __future__ import annotations

from statistics import fmean
from typing import Any

from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.resources.ai_reach import competitors, load_results
from segops.emulator.resources.crud import Row
from segops.emulator.resources.simulator import PROVIDERS
from segops.emulator.resources.tenant import setting

_TOP = 10


def dashboard(call: Call) -> Answer:
    """Sum up the results of all registered queries; zeros, nulls and empty arrays without any."""
    rows = load_results(call, "query IS NOT NULL ORDER BY id")
    own = setting(call.database, "brand_name").casefold()
    (total,) = call.database.query("SELECT count(*) FROM ai_queries")[0]
    by_provider = {name: [row for row in rows if row["provider"] == name] for name in PROVIDERS}
    body = {
        "query_count": total,
        **_metrics(rows, own),
        "last_captured_at": rows[-1]["captured_at"] if rows else None,
        "providers": [{"provider": name, **_metrics(found, own)} for name, found in by_provider.items() if found],
        "top_brands": _top_brands(rows),
        "is_simulated": True,
    }
    return Answer(200, body)


def win_rate(call: Call) -> Answer:
    """Compare the places of the own brand with those of each active competitor, the best rate first."""
    provider = call.query.get("provider")
    if provider not in {None, *PROVIDERS}:
        raise invalid({"provider": [f"Unknown provider: known are {', '.join(PROVIDERS)}."]})
    rows = load_results(call, "query IS NOT NULL AND provider = coalesce(?, provider)", (provider,))
    own = setting(call.database, "brand_name").casefold()
    rates = [_rate(rows, own, competitor) for competitor in competitors.all(call, "is_active")]
    return Answer(200, sorted(rates, key=lambda rate: (-rate["win_rate"], rate["competitor_name"])))


def _metrics(rows: list[Row], own: str) -> dict[str, Any]:
    places = [place for row in rows if (place := _place(row, {own})) is not None]
    named = sum(len(row["mentioned_brands"]) for row in rows)
    warmth = [each["sentiment"] for row in rows for each in row["mentioned_brands"] if each["name"].casefold() == own]
    return {
        "result_count": len(rows),
        "mention_rate": _ratio(len(places), len(rows)),
        "average_position": round(fmean(places), 2) if places else 0,
        "share_of_voice": _ratio(len(places), named),
        "sentiment": round(fmean(warmth), 2) if warmth else None,
    }


def _top_brands(rows: list[Row]) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    for row in rows:
        for mention in row["mentioned_brands"]:
            counts[mention["name"]] = counts.get(mention["name"], 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"name": name, "mentions": count} for name, count in ranked[:_TOP]]


def _rate(rows: list[Row], own: str, competitor: Row) -> dict[str, Any]:
    names = {name.casefold() for name in [competitor["name"], *competitor["brand_aliases"]]}
    pairs = [(_place(row, {own}), _place(row, names)) for row in rows]
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


def _place(row: Row, names: set[str]) -> int | None:
    """Return the best place of a brand in a result, whatever the case of its names."""
    return min((each["position"] for each in row["mentioned_brands"] if each["name"].casefold() in names), default=None)


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0
