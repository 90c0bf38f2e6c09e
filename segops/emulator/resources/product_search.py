"""Products are found by a question, as an AI page or an assistant would ask it.

Source: wire-protocol.md, section 6.9; how relevant a product is, is our choice.
"""

from __future__ import annotations

import time

from segops.emulator.answers import Answer, invalid, refuse
from segops.emulator.call import Call
from segops.emulator.pagination import whole_number
from segops.emulator.resources.catalogue import facet_values
from segops.emulator.resources.crud import Row
from segops.emulator.resources.products import products
from segops.emulator.resources.readability import texts, words

PER_MINUTE = 100

_MOST = 100


def search(call: Call) -> Answer:
    """Find products by a question `q`: at most `limit` (20), of the product segment `segment_id` if one is named."""
    started = time.perf_counter()
    _count(call)
    asked = call.query.get("q", "").strip()
    if not asked:
        raise invalid({"q": ["This parameter is required."]})
    found = find_products(call, asked, _segment(call))
    shown = found[: whole_number(call, "limit", 20, _MOST)]
    latency = round((time.perf_counter() - started) * 1000, 1)
    body = {
        "query": asked,
        "products": shown,
        "filters": facet_values([product["data"] for product in found]),
        "metadata": {"match_count": len(found), "latency_ms": latency},
    }
    return Answer(200, body)


def find_products(call: Call, asked: str, segment_id: int | None) -> list[Row]:
    """Return the products that share a word with a question, the most relevant first.

    The relevance is the share of the question's words that the product has, a word of its name counting fully and one
    of its attributes for half.
    """
    wanted = words(asked)
    within = "?1 IS NULL OR sku IN (SELECT sku FROM product_segment_members WHERE product_segment_id = ?1)"
    found = []
    for row in products.all(call, within, (segment_id,)):
        in_name = wanted & words(row["name"])
        in_data = (wanted & words(" ".join(texts(row["data"])))) - in_name
        if in_name or in_data:
            score = round((len(in_name) + len(in_data) / 2) / len(wanted), 4)
            found.append({**{name: row[name] for name in ("id", "sku", "name", "data")}, "relevance_score": score})
    return sorted(found, key=lambda product: (-product["relevance_score"], product["id"]))


def _segment(call: Call) -> int | None:
    text = call.query.get("segment_id")
    if not text:
        return None
    known = text.isdecimal() and call.database.query("SELECT 1 FROM product_segments WHERE id = ?", (text[:18],))
    if not known:
        raise invalid({"segment_id": ["There is no such product segment."]})
    return int(text[:18])


def _count(call: Call) -> None:
    """Refuse the 101st call within one minute of the clock."""
    minute, second = divmod(int(call.now), 60)
    with call.database.transaction() as connection:
        (count,) = connection.execute(
            """
            INSERT INTO rate_windows VALUES ('page_query', ?1, 1)
            ON CONFLICT (name) DO UPDATE SET minute = ?1, count = CASE minute WHEN ?1 THEN count + 1 ELSE 1 END
            RETURNING count
            """,
            (minute,),
        ).fetchone()
    if count > PER_MINUTE:
        raise refuse(
            429, f"Request was throttled: {PER_MINUTE} requests per minute.", {"retry-after": str(60 - second)}
        )
