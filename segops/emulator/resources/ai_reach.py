"""AI reach: what people ask assistants, and whether the tenant's brand is in the answers.

The answers are made up by `simulator`, and marked so.
Source: wire-protocol.md, section 6.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from segops.emulator import times
from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.resources.bodies import Field, Name, Text, read_fields, read_nothing
from segops.emulator.resources.crud import Resource, Row, number
from segops.emulator.resources.simulator import PROVIDERS, Provider, Simulated, simulate
from segops.emulator.resources.tenant import setting

_NEWEST = 50
_QUERY_TEXT = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"\S")]


def _check(_call: Call, values: Row, _old: Row | None) -> Row:
    lists: Row = {name: list(dict.fromkeys(values[name])) for name in ("providers", "tags") if name in values}
    if values.get("last_run_at"):
        try:
            lists["last_run_at"] = times.from_text(values["last_run_at"])
        except ValueError as error:
            raise invalid({"last_run_at": [str(error)]}) from None
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

competitors = Resource(
    "competitors",
    {
        "name": Field(Name),
        "domain": Field(Text, ""),
        "brand_aliases": Field(list[str], [], json=True),
        "is_active": Field(bool, default=True),
    },
    unique="name",
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


def run(call: Call) -> Answer:
    """Ask the assistants of a query; the results are there when this is answered."""
    read_nothing(call)
    query = queries.find(call, number(call))
    _capture(call, query["query_text"], query["providers"], query["id"])
    with call.database.transaction() as connection:
        connection.execute(
            "UPDATE ai_queries SET last_run_at = ? WHERE id = ?", (times.from_unix(call.now), query["id"])
        )
    return Answer(200, {"status": "queued", "query_id": query["id"]})


def results(call: Call) -> Answer:
    """List the newest 50 results of a query, as a bare array."""
    queries.find(call, number(call))
    return Answer(200, load_results(call, "query = ? ORDER BY id DESC LIMIT ?", (number(call), _NEWEST)))


def simulate_query(call: Call) -> Answer:
    """Ask assistants a question that is no registered query, and compare with the last answers to the same question."""
    given = read_fields(call, _SIMULATION)
    text, providers = given["query_text"], list(dict.fromkeys(given["providers"] or PROVIDERS))
    before = load_results(
        call,
        "query IN (SELECT id FROM ai_queries WHERE query_text = ?) ORDER BY id DESC LIMIT ?",
        (text, len(PROVIDERS)),
    )
    captured = _capture(call, text, providers, None)
    body = {"query_text": text, "providers": providers, "timed_out": [], "results": captured}
    return Answer(200, {**body, "diff": _diff(before, captured)})


def load_results(call: Call, where: str, values: tuple[object, ...] = ()) -> list[Row]:
    """Return the results for which `where`, SQL without user text, holds."""
    rows = call.database.query(f"SELECT {_COLUMNS} FROM ai_results WHERE {where}", values)  # noqa: S608 - no user text
    return [
        {"id": row[0], **{name: _RESULT[name].load(value) for name, value in zip(_RESULT, row[1:], strict=True)}}
        for row in rows
    ]


def _capture(call: Call, text: str, providers: Sequence[str], query_id: int | None) -> list[Row]:
    """Ask each provider, store the answers and return them."""
    own = setting(call.database, "brand_name")
    others = [row["name"] for row in competitors.all(call, "is_active")]
    products = call.database.query("SELECT sku, name FROM products ORDER BY id")
    answers = [simulate(text, provider, own, others, products) for provider in providers or PROVIDERS]
    with call.database.transaction() as connection:
        ids = [connection.execute(_INSERT, _row(each, query_id, call.now)).lastrowid for each in answers]
    marks = ", ".join("?" * len(ids))
    return load_results(call, f"id IN ({marks}) ORDER BY id", tuple(ids))


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
    """Return for each brand its best place before and now; None where it is not named."""
    old, new = _best_places(before), _best_places(after)
    return [
        {
            "brand_name": brand,
            "previous_position": old.get(brand),
            "position": new.get(brand),
            "change": old[brand] - new[brand] if brand in old and brand in new else None,
        }
        for brand in sorted(old.keys() | new.keys())
    ]


def _best_places(rows: list[Row]) -> dict[str, int]:
    places: dict[str, int] = {}
    for row in rows:
        for mention in row["mentioned_brands"]:
            brand = mention["name"].lower()
            places[brand] = min(mention["position"], places.get(brand, mention["position"]))
    return places
