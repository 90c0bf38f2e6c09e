"""Products are scored, and the scores kept.

Source: wire-protocol.md, section 6.3.
"""

from __future__ import annotations

import msgspec

from segops.emulator import times
from segops.emulator.answers import Answer, refuse
from segops.emulator.call import Call
from segops.emulator.resources.bodies import read_nothing
from segops.emulator.resources.catalogue import product_schema
from segops.emulator.resources.crud import Row, number
from segops.emulator.resources.products import products
from segops.emulator.resources.readability import Score, score


def score_product(call: Call) -> Answer:
    """Score one product."""
    read_nothing(call)
    _score(call, [products.find(call, number(call))])
    return Answer(202, {"status": "queued", "product_id": number(call)})


def score_all(call: Call) -> Answer:
    """Score all products."""
    read_nothing(call)
    rows = products.all(call)
    _score(call, rows)
    return Answer(202, {"status": "queued", "product_count": len(rows)})


def get_score(call: Call) -> Answer:
    """Read the last score of a product; 404 if it was never scored."""
    rows = call.database.query(
        "SELECT id, score, dimension_scores, recommendations, scored_at FROM product_scores WHERE product_id = ?",
        (number(call),),
    )
    if not rows:
        raise refuse(404, "Not found.")
    row_id, points, dimensions, recommendations, scored_at = rows[0]
    body = {
        "id": row_id,
        "score": points,
        "dimension_scores": msgspec.json.decode(dimensions),
        "recommendations": msgspec.json.decode(recommendations),
        "scored_at": scored_at,
    }
    return Answer(200, body)


def _score(call: Call, rows: list[Row]) -> None:
    fields = product_schema(call.database).fields
    queries = [text for (text,) in call.database.query("SELECT query_text FROM ai_queries WHERE is_active")]
    now = times.from_unix(call.now)
    scores = [(row["id"], score(row["name"], row["data"], fields, queries)) for row in rows]
    with call.database.transaction() as connection:
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
