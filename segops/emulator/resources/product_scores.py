"""Product scores: rate how well AI assistants can read a product."""

from __future__ import annotations

import msgspec

from segops.emulator import times
from segops.emulator.bodies import read_nothing
from segops.emulator.crud import Row
from segops.emulator.products.readability import Score, score
from segops.emulator.resources.product_schema import product_schema
from segops.emulator.resources.products import products
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route, path_id


def score_product(request: RequestContext) -> ApiResponse:
    """Score one product."""
    read_nothing(request)
    _score(request, [products.find(request, path_id(request))])
    return ApiResponse(202, {"status": "queued", "product_id": path_id(request)})


def score_all(request: RequestContext) -> ApiResponse:
    """Score all products."""
    read_nothing(request)
    rows = products.all(request)
    _score(request, rows)
    return ApiResponse(202, {"status": "queued", "product_count": len(rows)})


def get_score(request: RequestContext) -> ApiResponse:
    """Read the last score of a product."""
    rows = request.database.query(
        "SELECT id, score, dimension_scores, recommendations, scored_at FROM product_scores WHERE product_id = ?",
        (path_id(request),),
    )
    if not rows:
        raise HTTPError(404)
    row_id, points, dimensions, recommendations, scored_at = rows[0]
    body = {
        "id": row_id,
        "score": points,
        "dimension_scores": msgspec.json.decode(dimensions),
        "recommendations": msgspec.json.decode(recommendations),
        "scored_at": scored_at,
    }
    return ApiResponse(200, body)


def _score(request: RequestContext, rows: list[Row]) -> None:
    fields = product_schema(request.database).fields
    queries = [text for (text,) in request.database.query("SELECT query_text FROM ai_queries WHERE is_active")]
    now = times.from_unix(request.now)
    scores = [(row["id"], score(row["name"], row["data"], fields, queries)) for row in rows]
    with request.database.transaction() as connection:
        connection.executemany(
            """
            INSERT INTO product_scores (product_id, score, dimension_scores, recommendations, scored_at)
            VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (product_id) DO UPDATE SET score = excluded.score, scored_at = excluded.scored_at,
                dimension_scores = excluded.dimension_scores, recommendations = excluded.recommendations
            """,
            [_stored(product_id, points, now) for product_id, points in scores],
        )
        connection.executemany(
            "UPDATE products SET ai_readability_score = ? WHERE id = ?",
            [(points.score, product_id) for product_id, points in scores],
        )


def _stored(product_id: int, points: Score, now: str) -> tuple[object, ...]:
    dimensions, recommendations = (
        msgspec.json.encode(each).decode() for each in (points.dimension_scores, points.recommendations)
    )
    return product_id, points.score, dimensions, recommendations, now


TABLES = (
    """
    CREATE TABLE product_scores (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        product_id INTEGER NOT NULL UNIQUE,
        score REAL NOT NULL,
        dimension_scores TEXT NOT NULL,
        recommendations TEXT NOT NULL,
        scored_at TEXT NOT NULL
    )
    """,
)
ROUTES = (
    Route("POST", "/api/pim/products/<int:id>/score/", SECRET, score_product),
    Route("GET", "/api/pim/products/<int:id>/score/", SECRET, get_score),
    Route("POST", "/api/pim/score-all/", SECRET, score_all),
)
