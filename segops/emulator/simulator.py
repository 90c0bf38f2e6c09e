"""Simulate the answers of AI assistants, always in the same way for the same question.

Nothing is sent anywhere. A hash of assistant, question, and brand decides whether the assistant mentions the brand, at
which position, and with which sentiment. Every result is marked `is_simulated`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from segops.emulator.products.readability import words

Provider = Literal["chatgpt", "perplexity", "claude", "gemini", "grok"]

PROVIDERS: tuple[str, ...] = get_args(Provider)

_MENTIONED_IN_TEN = 6
_MAX_PRODUCTS = 3


class Mention(msgspec.Struct, frozen=True):
    """A brand in an answer, with its position, starting at 1, and its sentiment, from 0 to 1."""

    name: str
    position: int
    sentiment: float


class Simulated(msgspec.Struct, frozen=True):
    """A simulated answer.

    Attributes:
        provider: The assistant.
        raw_response: The text.
        mentioned_brands: The mentioned brands, in order.
        mentioned_products: SKUs of products that fit the question. Empty unless the own brand is mentioned.
        position: The position of the own brand, or None if it is not mentioned.
        sentiment: The sentiment about the own brand, or None if it is not mentioned.
    """

    provider: str
    raw_response: str
    mentioned_brands: list[Mention]
    mentioned_products: list[str]
    position: int | None
    sentiment: float | None


def simulate(
    question: str, provider: str, own_brand: str, competitors: Sequence[str], products: Sequence[tuple[str, str]]
) -> Simulated:
    """Simulate the answer of an assistant. `products` has the SKU and the name of each of the tenant's products."""
    brands = dict.fromkeys([own_brand, *competitors])
    drawn = {brand: _draw(question, provider, brand) for brand in brands}
    named = sorted((brand for brand in brands if drawn[brand][0] % 10 < _MENTIONED_IN_TEN), key=lambda b: drawn[b][1])
    mentions = [Mention(brand, position, round(drawn[brand][2] / 255, 2)) for position, brand in enumerate(named, 1)]
    own = next((each for each in mentions if each.name == own_brand), None)
    fitting = _fitting(question, products) if own else []
    return Simulated(
        provider=provider,
        raw_response=_text(question, provider, mentions),
        mentioned_brands=mentions,
        mentioned_products=fitting,
        position=own.position if own else None,
        sentiment=own.sentiment if own else None,
    )


def _draw(question: str, provider: str, brand: str) -> bytes:
    return hashlib.sha256(msgspec.json.encode([provider, question.casefold(), brand.casefold()])).digest()


def _fitting(question: str, products: Sequence[tuple[str, str]]) -> list[str]:
    asked = words(question)
    return [sku for sku, name in products if asked & words(name)][:_MAX_PRODUCTS]


def _text(question: str, provider: str, mentions: Sequence[Mention]) -> str:
    listed = " ".join(f"{each.position}. {each.name}." for each in mentions) or "No brand comes to mind."
    return f"[Simulated answer of {provider}] {question}: {listed}"
