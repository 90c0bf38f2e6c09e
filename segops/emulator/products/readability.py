"""Score how well AI assistants can read a product, from 0 to 100, in four dimensions of 25 points.

The dimensions are described in docs/local-segops-choices.md, "Products". The service documents their names only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from segops.emulator.event_schemas import is_number, is_time
from segops.emulator.products.schema import SchemaField

MAX_POINTS = 25.0
_EXPECTED = ("description", "price", "category", "brand", "url", "image")
_STOP_WORDS = frozenset(
    {"a", "an", "and", "are", "best", "for", "in", "is", "of", "on", "or", "the", "to", "what", "with"}
)
_WORD = re.compile(r"\w+")
_FACTS = 10
_SHORT_FACT = 8
_GOOD = 20.0

_ACTIONS = {
    "schema_coverage": "Fill in the missing fields of the product schema.",
    "answer_format": "Describe the product in 20 to 150 words, in short sentences, and list its features.",
    "factual_completeness": "Add concrete facts: a price with its currency, sizes, materials, ratings.",
    "ai_visibility_alignment": "Use the words of the questions that people ask assistants (register AI queries).",
}


class Score(msgspec.Struct, frozen=True):
    """The score of a product.

    Attributes:
        score: The total, from 0 to 100.
        dimension_scores: The points in each dimension, from 0 to 25.
        recommendations: How to improve weak dimensions, the weakest first.
    """

    score: float
    dimension_scores: dict[str, float]
    recommendations: list[dict[str, Any]]


def score(name: str, data: Mapping[str, Any], fields: Iterable[SchemaField] = (), queries: Iterable[str] = ()) -> Score:
    """Return the score of a product, given the product schema and the texts of active AI queries."""
    dimensions = {
        "schema_coverage": _coverage(data, list(fields)),
        "answer_format": _format(name, data),
        "factual_completeness": _facts(data),
        "ai_visibility_alignment": _alignment(name, data, queries),
    }
    rounded = {dimension: round(MAX_POINTS * share, 1) for dimension, share in dimensions.items()}
    return Score(round(sum(rounded.values()), 1), rounded, _recommendations(rounded))


def fits(value: Any, field_type: str) -> bool:
    """Return whether a value is not empty and has a type of the product schema."""
    return value not in (None, "", [], {}) and _CHECKS[field_type](value)


def words(text: str) -> set[str]:
    """Return the case-folded words of a text, without stop words."""
    return {word.removesuffix("s") for word in _WORD.findall(text.casefold())} - _STOP_WORDS


def texts(value: Any) -> Iterable[str]:
    """Yield every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def _coverage(data: Mapping[str, Any], fields: list[SchemaField]) -> float:
    if not fields:
        return sum(data.get(name) not in (None, "", [], {}) for name in _EXPECTED) / len(_EXPECTED)
    weights = [2 if field.required else 1 for field in fields]
    met = sum(weight for field, weight in zip(fields, weights, strict=True) if fits(data.get(field.name), field.type))
    return met / sum(weights)


def _format(name: str, data: Mapping[str, Any]) -> float:
    text = data.get("description")
    description = text if isinstance(text, str) else ""
    count = len(description.split())
    sentences = [part for part in re.split(r"[.!?]+", description) if part.strip()]
    points = 8 * (min(1.0, count / 20) if count <= 150 else 150 / count)  # noqa: PLR2004 - docs/local-segops-choices.md
    points += 6 * min(1.0, 25 * len(sentences) / count) if count else 0
    points += 5 * (2 <= len(name.split()) <= 12)  # noqa: PLR2004 - docs/local-segops-choices.md
    points += 6 * any(isinstance(value, list) and value for value in data.values())
    return points / MAX_POINTS


def _facts(data: Mapping[str, Any]) -> float:
    return min(1.0, sum(_weight(value) for value in data.values()) / _FACTS)


def _weight(value: Any) -> int:
    if fits(value, "price") or fits(value, "multi_price"):
        return 2
    if isinstance(value, str):
        return int(0 < len(value.split()) <= _SHORT_FACT)
    return int(value not in (None, [], {}))


def _alignment(name: str, data: Mapping[str, Any], queries: Iterable[str]) -> float:
    own = words(" ".join([name, *texts(data)]))
    shares = [len(asked & own) / len(asked) for query in queries if (asked := words(query))]
    return max(shares, default=0.0)


def _recommendations(dimensions: Mapping[str, float]) -> list[dict[str, Any]]:
    weak = sorted((points, dimension) for dimension, points in dimensions.items() if points < _GOOD)
    return [
        {
            "dimension": dimension,
            "action": _ACTIONS[dimension],
            "estimated_impact": round(MAX_POINTS - points, 1),
            "priority": "high" if points < MAX_POINTS / 3 else "medium" if points < 2 * MAX_POINTS / 3 else "low",
        }
        for points, dimension in weak
    ]


def _is_price(value: Any) -> bool:
    return isinstance(value, dict) and is_number(value.get("amount")) and isinstance(value.get("currency"), str)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "url": lambda value: isinstance(value, str) and value.startswith(("https://", "http://")),
    "price": _is_price,
    "multi_price": lambda value: isinstance(value, list) and all(_is_price(each) for each in value),
    "datetime": is_time,
}
