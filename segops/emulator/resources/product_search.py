"""Product search: find products that answer a question.

The relevance of a product is described in docs/local-segops-choices.md, "AI pages".
"""

from __future__ import annotations

import time

from segops.emulator.pagination import whole_number
from segops.emulator.products.readability import texts, words
from segops.emulator.products.schema import facet_values
from segops.emulator.resources.products import products
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route
from segops.emulator.tables import Row

PER_MINUTE = 100

_MAX_RESULTS = 100


def search(request: RequestContext) -> ApiResponse:
    """Find products by a question `q`, optionally in the product segment `segment_id`. `limit` defaults to 20."""
    started = time.perf_counter()
    _throttle(request)
    asked = request.query.get("q", "").strip()
    if not asked:
        raise HTTPError(400, {"q": ["This parameter is required."]})
    found = find_products(request, asked, _segment(request))
    shown = found[: whole_number(request, "limit", 20, _MAX_RESULTS)]
    latency = round((time.perf_counter() - started) * 1000, 1)
    body = {
        "query": asked,
        "products": shown,
        "filters": facet_values([product["data"] for product in found]),
        "metadata": {"match_count": len(found), "latency_ms": latency},
    }
    return ApiResponse(200, body)


def find_products(request: RequestContext, asked: str, segment_id: int | None) -> list[Row]:
    """Return the products that share a word with a question, the most relevant first.

    The relevance is the share of the words of the question in the product. Words in its attributes count half.
    """
    asked_words = words(asked)
    within = "? IS NULL OR sku IN (SELECT sku FROM product_segment_members WHERE product_segment_id = ?)"
    found = []
    for row in products.all(request, within, (segment_id, segment_id)):
        in_name = asked_words & words(row["name"])
        in_data = (asked_words & words(" ".join(texts(row["data"])))) - in_name
        if in_name or in_data:
            score = round((len(in_name) + len(in_data) / 2) / len(asked_words), 4)
            found.append({**{name: row[name] for name in ("id", "sku", "name", "data")}, "relevance_score": score})
    return sorted(found, key=lambda product: (-product["relevance_score"], product["id"]))


def _segment(request: RequestContext) -> int | None:
    text = request.query.get("segment_id")
    if not text:
        return None
    known = text.isdecimal() and request.database.query("SELECT 1 FROM product_segments WHERE id = ?", (text[:18],))
    if not known:
        raise HTTPError(400, {"segment_id": ["This product segment does not exist."]})
    return int(text[:18])


def _throttle(request: RequestContext) -> None:
    """Limit the number of requests per minute of the clock."""
    minute, second = divmod(int(request.now), 60)
    with request.database.transaction() as connection:
        (count,) = connection.execute(
            """
            INSERT INTO rate_windows VALUES ('page_query', ?, 1)
            ON CONFLICT (name) DO UPDATE
            SET minute = excluded.minute, count = CASE minute WHEN excluded.minute THEN count + 1 ELSE 1 END
            RETURNING count
            """,
            (minute,),
        ).fetchone()
    if count > PER_MINUTE:
        raise HTTPError(
            429, f"Request was throttled: {PER_MINUTE} requests per minute.", {"retry-after": str(60 - second)}
        )


TABLES = (
    # Number of requests within one minute.
    "CREATE TABLE rate_windows (name TEXT PRIMARY KEY, minute INTEGER NOT NULL, count INTEGER NOT NULL)",
)
ROUTES = (Route("GET", "/api/ai-pages/query", SECRET, search, frozenset({"q", "limit", "segment_id"})),)
