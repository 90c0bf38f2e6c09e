"""What AI assistants would answer, made up: the same question always gets the same answer.

Nothing is sent anywhere. Which brands an assistant names, in which order and how warmly, follows from a hash of its
name, the question and the brand; every result is marked `is_simulated`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from segops.emulator.resources.readability import words

Provider = Literal["chatgpt", "perplexity", "claude", "gemini", "grok"]

PROVIDERS: tuple[str, ...] = get_args(Provider)

_MENTIONED_IN_TEN = 6
_MOST_PRODUCTS = 3


class Mention(msgspec.Struct, frozen=True):
    """A brand in an answer: its place from 1, and how warmly it is spoken of, from 0 to 1."""

    name: str
    position: int
    sentiment: float


class Simulated(msgspec.Struct, frozen=True):
    """One made-up answer.

    Attributes:
        provider: Whose answer it would be.
        raw_response: Its text.
        mentioned_brands: The brands in it, in their order.
        mentioned_products: The SKUs of the products that fit the question, and are named if the own brand is.
        position: The place of the own brand; None if it is not named.
        sentiment: How warmly the own brand is spoken of; None if it is not named.
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
    """Make up the answer of one assistant.

    Args:
        question: What is asked.
        provider: Who is asked.
        own_brand: The tenant's brand.
        competitors: The names of the others.
        products: SKU and name of each product of the tenant.
    """
    brands = dict.fromkeys([own_brand, *competitors])
    drawn = {brand: _draw(question, provider, brand) for brand in brands}
    named = sorted((brand for brand in brands if drawn[brand][0] % 10 < _MENTIONED_IN_TEN), key=lambda b: drawn[b][1])
    mentions = [Mention(brand, place, round(drawn[brand][2] / 255, 2)) for place, brand in enumerate(named, 1)]
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
    return [sku for sku, name in products if asked & words(name)][:_MOST_PRODUCTS]


def _text(question: str, provider: str, mentions: Sequence[Mention]) -> str:
    listed = " ".join(f"{each.position}. {each.name}." for each in mentions) or "No brand comes to mind."
    return f"[Simulated answer of {provider}] {question}: {listed}"
