"""How well an AI assistant can make sense of a product: a score of 0 to 100, in four dimensions of 0 to 25.

* `schema_coverage`: the share of the fields of the product schema that have a value of the right type, required ones
  counting twice; without a schema, of description, price, category, brand, url and image.
* `answer_format`: can an answer be quoted from it? 8 points for a description of 20 to 150 words (else in
  proportion), 6 for sentences of at most 25 words on average, 5 for a name of 2 to 12 words, 6 for a list, such as of
  features.
* `factual_completeness`: 2.5 points for each concrete fact, up to ten: a number, a truth value, a list, an object, or
  a text of at most eight words; a price with a currency counts twice.
* `ai_visibility_alignment`: the largest share of the words of an active AI query that the product's texts contain;
  0 without such queries.

Source: wire-protocol.md, section 6.3, for the dimensions; how they are measured is our choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.resources.catalogue import SchemaField

BEST = 25.0
_EXPECTED = ("description", "price", "category", "brand", "url", "image")
_SMALL_WORDS = frozenset(
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
    """The score of one product.

    Attributes:
        score: 0 to 100.
        dimension_scores: 0 to 25 for each dimension.
        recommendations: What to do about the weak dimensions, the most useful first.
    """

    score: float
    dimension_scores: dict[str, float]
    recommendations: list[dict[str, Any]]


def score(name: str, data: Mapping[str, Any], fields: Iterable[SchemaField] = (), queries: Iterable[str] = ()) -> Score:
    """Return the score of a product.

    Args:
        name: Its name.
        data: Its attributes.
        fields: The fields of the product schema.
        queries: The texts of the active AI queries.
    """
    dimensions = {
        "schema_coverage": _coverage(data, list(fields)),
        "answer_format": _format(name, data),
        "factual_completeness": _facts(data),
        "ai_visibility_alignment": _alignment(name, data, queries),
    }
    rounded = {dimension: round(BEST * share, 1) for dimension, share in dimensions.items()}
    return Score(round(sum(rounded.values()), 1), rounded, _recommendations(rounded))


def fits(value: Any, kind: str) -> bool:
    """Tell whether a value is of a type of the product schema, and not empty."""
    return value not in (None, "", [], {}) and _CHECKS[kind](value)


def words(text: str) -> set[str]:
    """Return the words of a text that carry meaning, folded."""
    return {word.removesuffix("s") for word in _WORD.findall(text.casefold())} - _SMALL_WORDS


def texts(value: Any) -> Iterable[str]:
    """Yield every text inside a JSON value."""
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
    points = 8 * (min(1.0, count / 20) if count <= 150 else 150 / count)  # noqa: PLR2004 - explained above
    points += 6 * min(1.0, 25 * len(sentences) / count) if count else 0
    points += 5 * (2 <= len(name.split()) <= 12)  # noqa: PLR2004 - explained above
    points += 6 * any(isinstance(value, list) and value for value in data.values())
    return points / BEST


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
            "estimated_impact": round(BEST - points, 1),
            "priority": "high" if points < BEST / 3 else "medium" if points < 2 * BEST / 3 else "low",
        }
        for points, dimension in weak
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_price(value: Any) -> bool:
    return isinstance(value, dict) and _is_number(value.get("amount")) and isinstance(value.get("currency"), str)


def _is_time(value: Any) -> bool:
    try:
        return bool(isinstance(value, str) and times.from_text(value))
    except ValueError:
        return False


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "url": lambda value: isinstance(value, str) and value.startswith(("https://", "http://")),
    "price": _is_price,
    "multi_price": lambda value: isinstance(value, list) and all(_is_price(each) for each in value),
    "datetime": _is_time,
}
