"""AI queries: track how AI assistants answer questions about the tenant's brand.

`simulator` makes up the answers, which are marked as simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from segops.emulator import times
from segops.emulator.bodies import Field, Text, read_fields, read_nothing
from segops.emulator.crud import Resource
from segops.emulator.resources.competitors import competitors
from segops.emulator.resources.tenant import setting
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route, path_id
from segops.emulator.simulator import PROVIDERS, Provider, simulate
from segops.emulator.tables import Row, Table

_MAX_RESULTS = 50
_QUERY_TEXT = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"\S")]


def _check(_request: RequestContext, values: Row, _old: Row | None) -> Row:
    lists: Row = {name: list(dict.fromkeys(values[name])) for name in ("providers", "tags") if name in values}
    if values.get("last_run_at"):
        try:
            lists["last_run_at"] = times.from_text(values["last_run_at"])
        except ValueError as error:
            raise HTTPError(400, {"last_run_at": [str(error)]}) from None
    return {**values, **lists}


queries = Resource(
    "ai_queries",
    {
        "query_text": Field(_QUERY_TEXT),
        "category": Field(Text, ""),
        "tags": Field(list[str], [], json=True),
        "providers": Field(list[Provider], [], json=True),
        "is_active": Field(bool, default=True),
        "schedule": Field(Literal["hourly", "daily", "weekly"], "daily"),
        "last_run_at": Field(str | None, None),
    },
    unique="query_text",
    check=_check,
    children={"ai_results": "query"},
    bare=True,
)

ai_results = Table(
    "ai_results",
    {
        "query": Field(int, None),  # null for the results of a simulation
        "provider": Field(str),
        "raw_response": Field(str),
        "mentioned_brands": Field(list[Any], json=True),
        "mentioned_products": Field(list[str], json=True),
        "position": Field(int, None),
        "sentiment": Field(float, None),
        "is_simulated": Field(bool, default=True),
        "captured_at": Field(str),
    },
)

_SIMULATION = {"query_text": Field(_QUERY_TEXT), "providers": Field(list[Provider] | None, None)}


def run(request: RequestContext) -> ApiResponse:
    """Ask the assistants of a query."""
    read_nothing(request)
    query = queries.find(request, path_id(request))
    _capture(request, query["query_text"], query["providers"], query["id"])
    with request.database.transaction() as connection:
        connection.execute(
            "UPDATE ai_queries SET last_run_at = ? WHERE id = ?", (times.from_unix(request.now), query["id"])
        )
    return ApiResponse(200, {"status": "queued", "query_id": query["id"]})


def results(request: RequestContext) -> ApiResponse:
    """List the newest 50 results of a query, as a bare array."""
    queries.find(request, path_id(request))
    found = ai_results.rows(request.database, "query = ?", (path_id(request),), order=f"id DESC LIMIT {_MAX_RESULTS}")
    return ApiResponse(200, found)


def simulate_query(request: RequestContext) -> ApiResponse:
    """Ask assistants a question without registering it, and compare with the last answers to the same question."""
    body = read_fields(request, _SIMULATION)
    text, providers = body["query_text"], list(dict.fromkeys(body["providers"] or PROVIDERS))
    same = "query IN (SELECT id FROM ai_queries WHERE query_text = ?)"
    before = ai_results.rows(request.database, same, (text,), order=f"id DESC LIMIT {len(PROVIDERS)}")
    captured = _capture(request, text, providers, None)
    found = {"query_text": text, "providers": providers, "timed_out": [], "results": captured}
    return ApiResponse(200, {**found, "diff": _diff(before, captured)})


def _capture(request: RequestContext, text: str, providers: Sequence[str], query_id: int | None) -> list[Row]:
    """Ask each provider, store the answers, and return them."""
    own = setting(request.database, "brand_name")
    others = [row["name"] for row in competitors.all(request, "is_active")]
    products = request.database.query("SELECT sku, name FROM products ORDER BY id")
    answers = [simulate(text, provider, own, others, products) for provider in providers or PROVIDERS]
    more = {"query": query_id, "captured_at": times.from_unix(request.now)}
    with request.database.transaction() as connection:
        ids = [ai_results.add(connection, {**msgspec.structs.asdict(answer), **more}) for answer in answers]
    return ai_results.rows(request.database, f"id IN ({', '.join('?' * len(ids))})", tuple(ids))


def _diff(before: list[Row], after: list[Row]) -> list[dict[str, Any]]:
    """Return the best position of each brand before and after, or None where it is not mentioned."""
    old, new = _best_positions(before), _best_positions(after)
    return [
        {
            "brand_name": brand,
            "previous_position": old.get(brand),
            "position": new.get(brand),
            "change": old[brand] - new[brand] if brand in old and brand in new else None,
        }
        for brand in sorted(old.keys() | new.keys())
    ]


def _best_positions(rows: list[Row]) -> dict[str, int]:
    positions: dict[str, int] = {}
    for row in rows:
        for mention in row["mentioned_brands"]:
            brand = mention["name"].lower()
            positions[brand] = min(mention["position"], positions.get(brand, mention["position"]))
    return positions


_PATH = "/api/ai-reach/queries/"
TABLES = (
    queries.schema,
    ai_results.schema,
)
ROUTES = (
    *queries.routes(_PATH),
    Route("POST", f"{_PATH}<int:id>/run/", SECRET, run),
    Route("GET", f"{_PATH}<int:id>/results/", SECRET, results, PAGES),
    Route("POST", "/api/ai-reach/simulate/", SECRET, simulate_query),
)
