"""Product scores: rate how well AI assistants can read a product."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from segops.emulator import times
from segops.emulator.bodies import Field, read_nothing
from segops.emulator.products.readability import score
from segops.emulator.resources.product_schema import product_schema
from segops.emulator.resources.products import products
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route, path_id
from segops.emulator.tables import Row, Table

product_scores = Table(
    "product_scores",
    {
        "product_id": Field(int),
        "score": Field(float),
        "dimension_scores": Field(dict[str, Any], json=True),
        "recommendations": Field(list[Any], json=True),
        "scored_at": Field(str),
    },
    unique="product_id",
)


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
    found = product_scores.rows(request.database, "product_id = ?", (path_id(request),))
    if not found:
        raise HTTPError(404)
    return ApiResponse(200, {name: value for name, value in found[0].items() if name != "product_id"})


def _score(request: RequestContext, rows: list[Row]) -> None:
    fields = product_schema(request.database).fields
    queries = [text for (text,) in request.database.query("SELECT query_text FROM ai_queries WHERE is_active")]
    now = times.from_unix(request.now)
    scores = [
        {"product_id": row["id"], **asdict(score(row["name"], row["data"], fields, queries)), "scored_at": now}
        for row in rows
    ]
    with request.database.transaction() as connection:
        connection.executemany(
            """
            INSERT INTO product_scores (product_id, score, dimension_scores, recommendations, scored_at)
            VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (product_id) DO UPDATE SET score = excluded.score, scored_at = excluded.scored_at,
                dimension_scores = excluded.dimension_scores, recommendations = excluded.recommendations
            """,
            [tuple(product_scores.dumped(values).values()) for values in scores],
        )
        connection.executemany(
            "UPDATE products SET ai_readability_score = ? WHERE id = ?",
            [(values["score"], values["product_id"]) for values in scores],
        )


TABLES = (product_scores.schema,)
ROUTES = (
    Route("POST", "/api/pim/products/<int:id>/score/", SECRET, score_product),
    Route("GET", "/api/pim/products/<int:id>/score/", SECRET, get_score),
    Route("POST", "/api/pim/score-all/", SECRET, score_all),
)
