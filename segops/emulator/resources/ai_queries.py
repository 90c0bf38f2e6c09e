"""AI queries: track how AI assistants answer questions about the tenant's brand.

`simulator` makes up the answers, which are marked as simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from segops.emulator import times
from segops.emulator.bodies import Field, Text, read_fields, read_nothing
from segops.emulator.crud import Resource, Row
from segops.emulator.resources.competitors import competitors
from segops.emulator.resources.tenant import setting
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route, path_id
from segops.emulator.simulator import PROVIDERS, Provider, Simulated, simulate

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

_RESULT = {
    "query": Field(int),
    "provider": Field(str),
    "raw_response": Field(str),
    "mentioned_brands": Field(list[Any], json=True),
    "mentioned_products": Field(list[str], json=True),
    "position": Field(int),
    "sentiment": Field(float),
    "is_simulated": Field(bool),
    "captured_at": Field(str),
}
_COLUMNS = ", ".join(["id", *_RESULT])

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
    return ApiResponse(
        200, load_results(request, "query = ? ORDER BY id DESC LIMIT ?", (path_id(request), _MAX_RESULTS))
    )


def simulate_query(request: RequestContext) -> ApiResponse:
    """Ask assistants a question without registering it, and compare with the last answers to the same question."""
    body = read_fields(request, _SIMULATION)
    text, providers = body["query_text"], list(dict.fromkeys(body["providers"] or PROVIDERS))
    before = load_results(
        request,
        "query IN (SELECT id FROM ai_queries WHERE query_text = ?) ORDER BY id DESC LIMIT ?",
        (text, len(PROVIDERS)),
    )
    captured = _capture(request, text, providers, None)
    found = {"query_text": text, "providers": providers, "timed_out": [], "results": captured}
    return ApiResponse(200, {**found, "diff": _diff(before, captured)})


def load_results(request: RequestContext, where: str, values: tuple[object, ...] = ()) -> list[Row]:
    """Return the results that match `where`, SQL without user text."""
    rows = request.database.query(f"SELECT {_COLUMNS} FROM ai_results WHERE {where}", values)  # noqa: S608 - no user text
    return [
        {"id": row[0], **{name: _RESULT[name].load(value) for name, value in zip(_RESULT, row[1:], strict=True)}}
        for row in rows
    ]


def _capture(request: RequestContext, text: str, providers: Sequence[str], query_id: int | None) -> list[Row]:
    """Ask each provider, store the answers, and return them."""
    own = setting(request.database, "brand_name")
    others = [row["name"] for row in competitors.all(request, "is_active")]
    products = request.database.query("SELECT sku, name FROM products ORDER BY id")
    answers = [simulate(text, provider, own, others, products) for provider in providers or PROVIDERS]
    with request.database.transaction() as connection:
        ids = [connection.execute(_INSERT, _row(each, query_id, request.now)).lastrowid for each in answers]
    marks = ", ".join("?" * len(ids))
    return load_results(request, f"id IN ({marks}) ORDER BY id", tuple(ids))


_INSERT = f"INSERT INTO ai_results ({', '.join(_RESULT)}) VALUES ({', '.join('?' * len(_RESULT))})"  # noqa: S608 - no user text


def _row(answer: Simulated, query_id: int | None, now: float) -> tuple[object, ...]:
    values = {
        **msgspec.to_builtins(answer),
        "query": query_id,
        "is_simulated": True,
        "captured_at": times.from_unix(now),
    }
    return tuple(field.dump(values[name]) for name, field in _RESULT.items())


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
    # `query` is null for the results of a simulation.
    """
    CREATE TABLE ai_results (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        query INTEGER,
        provider TEXT NOT NULL,
        raw_response TEXT NOT NULL,
        mentioned_brands TEXT NOT NULL,
        mentioned_products TEXT NOT NULL,
        position INTEGER,
        sentiment REAL,
        is_simulated INTEGER NOT NULL,
        captured_at TEXT NOT NULL
    )
    """,
)
ROUTES = (
    *queries.routes(_PATH),
    Route("POST", f"{_PATH}<int:id>/run/", SECRET, run),
    Route("GET", f"{_PATH}<int:id>/results/", SECRET, results, PAGES),
    Route("POST", "/api/ai-reach/simulate/", SECRET, simulate_query),
)
