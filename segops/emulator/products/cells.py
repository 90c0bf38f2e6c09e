"""Infer the types of CSV columns, and convert their cells.

A column becomes something other than text only if no cell loses information. Article numbers with leading zeros, `1E5`,
and numbers with more digits than JSON can represent exactly remain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from segops.emulator.products.money import (
    CODES,
    currency_in_name,
    decimal_point,
    has_currency,
    read_amount,
    read_money,
)
from segops.emulator.products.schema import FieldType

Convert = Callable[[str, str], Any]
"""Converts the text of a cell, given a default currency. Returns None if the text has another type."""

_PRICES = re.compile(r"(?:.*_)?(?:price|msrp|cost|cost_per_item)|amount|price_per_unit")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)
_PLAIN = re.compile(r"[-+]?[0-9]{1,30}(?:\.[0-9]{0,30})?(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_MAX_EXACT = 2**53
_TRUE = frozenset({"true", "yes", "1", "y"})
_FALSE = frozenset({"false", "no", "0", "n"})


def guess(name: str, header: str, values: Sequence[str], currency: str) -> FieldType:
    """Return the type of a column that maps to a field, given all non-empty cells and the default currency."""
    if not values:
        return "string"
    if _is_money(name, header, values, currency):
        return "price"
    if _is_boolean({value.casefold() for value in values}):
        return "boolean"
    if all(_NUMBER.fullmatch(value) and _exact(value) is not None for value in values):
        return "number"
    if all(value.startswith(("https://", "http://")) for value in values):
        return "url"
    return "array" if all("|" in value for value in values) else "string"


def converter(field_type: FieldType, values: Sequence[str]) -> Convert:
    """Return a function that converts the texts of a column to a type."""
    texts = (part for value in values for part in (_parts(value) if field_type == "multi_price" else [value]))
    point = decimal_point(texts) if field_type in {"number", "price", "multi_price"} else None
    converters: dict[FieldType, Convert] = {
        "number": lambda text, _: _number(text, point),
        "boolean": lambda text, _: _boolean(text),
        "price": lambda text, currency: _price(text, currency, point),
        "array": lambda text, _: _parts(text),
        "multi_price": lambda text, currency: _multi_price(text, currency, point),
    }
    return converters.get(field_type, lambda text, _: text)


def _is_money(name: str, header: str, values: Sequence[str], currency: str) -> bool:
    named = currency_in_name(header)
    base = re.sub(rf"_{named.lower()}$", "", name) if named else name
    if not _PRICES.fullmatch(base) and not all(has_currency(value, currency) for value in values):
        return False
    point = decimal_point(values)
    return all(_price(value, named or currency, point) is not None for value in values)


def _is_boolean(folded: set[str]) -> bool:
    """Return whether texts are booleans. A column that contains only "NO" may mean Norway."""
    return folded <= {"true", "false", "yes", "no"} and folded != {"no"}


def _exact(text: str) -> int | float | None:
    """Return the number equal to a decimal text, or None if not every JSON parser would read the same number."""
    value = Decimal(text)
    if abs(value) > _MAX_EXACT:
        return None
    number = float(value)
    if Decimal(repr(number)) != value:
        return None
    return int(number) if number.is_integer() else number


def _number(text: str, point: str | None) -> int | float | None:
    if _PLAIN.fullmatch(text):
        return _exact(text)
    amount = read_amount(text, point)
    return None if amount is None else _exact(str(amount))


def _boolean(text: str) -> bool | None:
    folded = text.casefold()
    return True if folded in _TRUE else False if folded in _FALSE else None


def _price(text: str, currency: str, point: str | None) -> dict[str, Any] | None:
    found = read_money(text, currency, point)
    amount = _exact(str(found[0])) if found else None
    return None if found is None or amount is None else {"amount": amount, "currency": _code(found[1])}


def _code(currency: str) -> str:
    if not re.fullmatch("[A-Z]{3}", currency):
        raise ValueError(f"{currency[:80]!r} is not a currency code: use a code such as EUR")
    return currency


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split("|" if "|" in text else ";") if part.strip()]


def _multi_price(text: str, currency: str, point: str | None) -> list[dict[str, Any]] | None:
    prices = [_price(part, currency, point) for part in _parts(text)]
    return None if None in prices else [price for price in prices if price]


def row_currency(text: str) -> str:
    """Return the currency in a cell of a currency column."""
    return text.upper() if text.upper() in CODES else text
