"""Parse amounts of money in common notations: `€9.90`, `5 CHF`, `1.234,56 €`, `R$ 1.000,00`, `CHF 5.-`.

Ambiguous amounts such as `1.234 €` are not parsed, so that the caller can keep the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

_ISO = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
    CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
    GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR
    LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB
    TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL
"""
CODES = frozenset(_ISO.split())
"""ISO 4217 currency codes."""

# Means the first currency, unless the default currency is one of the others.
_MARKS = {
    "$": "USD CAD AUD NZD SGD HKD TWD MXN ARS CLP COP BBD BMD BND BSD BZD FJD GYD JMD KYD LRD NAD SBD SRD TTD UYU XCD",
    "£": "GBP EGP FKP GIP LBP SDG SHP SSP SYP",
    "¥": "JPY CNY",
    "KR": "SEK NOK DKK ISK",
    "RS": "INR PKR LKR NPR MUR SCR",
    "€": "EUR",
    "₹": "INR",
    "₩": "KRW KPW",
    "₽": "RUB",
    "₺": "TRY",
    "₴": "UAH",
    "₪": "ILS",
    "₫": "VND",
    "₦": "NGN",
    "₱": "PHP",
    "฿": "THB",
    "₸": "KZT",
    "₾": "GEL",
    "₡": "CRC",
    "₲": "PYG",
    "₵": "GHS",
    "₼": "AZN",
    "₮": "MNT",
    "元": "CNY",
    "円": "JPY",
    "FR": "CHF",
    "SFR": "CHF",
    "ZŁ": "PLN",
    "KČ": "CZK",
    "FT": "HUF",
    "LEI": "RON",
    "R$": "BRL",
    "US$": "USD",
    "C$": "CAD",
    "CA$": "CAD",
    "A$": "AUD",
    "AU$": "AUD",
    "NZ$": "NZD",
    "S$": "SGD",
    "HK$": "HKD",
    "NT$": "TWD",
    "MX$": "MXN",
}
_AMBIGUOUS = frozenset({"KR", "RS"})  # ambiguous, unless the default is one of the currencies

# Codes that are also words, as in "price_all". In column names they count only if they look like codes.
_WORDS = frozenset({"ALL", "BAM", "COP", "CUP", "GEL", "LAK", "MAD", "MOP", "PEN", "SOS", "TOP", "TRY"})

_SPACES = " \u00a0\u2009\u202f"
_GROUPS = f"{_SPACES}'\u2019"
_MARK = rf"(?:[^\W\d_]+\.|[^0-9.,\-\u2212+()|;{_GROUPS}\s]+)"
_MONEY = re.compile(
    rf"([-\u2212]?)(?:({_MARK})[\s{_SPACES}]*)?([-\u2212]?)([0-9][0-9.,{_GROUPS}]*?)([.,][-\u2013\u2014]{{1,2}})?(?:[\s{_SPACES}]*({_MARK}))?"
)
_WHOLE = re.compile(rf"0|[1-9][0-9]*|[1-9][0-9]{{0,2}}([.,{_GROUPS}])(?:[0-9]{{2,3}}\1)*[0-9]{{3}}")
_POINTS = re.compile("[.,]")
_GROUP_SIZE = 3
_MAX_LENGTH = 100


def read_money(text: str, default: str, point: str | None) -> tuple[Decimal, str] | None:
    """Return the amount and the currency of a text, or None if it is not an amount or is ambiguous.

    `default` is the default currency, and `point` the decimal point of other texts in the same column, if known.
    """
    found = _match(text)
    if found is None:
        return None
    currency = _currency([mark for mark in (found[2], found[6]) if mark], default)
    amount = _amount(found[4], point, is_bare=not (found[2] or found[6]))
    if currency is None or amount is None:
        return None
    return -amount if found[1] or found[3] else amount, currency


def read_amount(text: str, point: str | None) -> Decimal | None:
    """Return the amount of a text without currency, or None if it is not an amount or is ambiguous."""
    found = read_money(text, "", point)
    return found[0] if found and not found[1] else None


def has_currency(text: str, default: str) -> bool:
    """Return whether a text is an amount with a currency."""
    found = _match(text)
    return found is not None and bool(found[2] or found[6]) and bool(_currency([found[2] or found[6]], default))


def decimal_point(texts: Iterable[str]) -> str | None:
    """Return the common decimal point of amounts, or None if it is unknown or inconsistent."""
    points: set[str] = set()
    for text in texts:
        found = _match(text)
        points |= {_point(found[4])} if found else set()
    points -= {""}
    return points.pop() if len(points) == 1 else None


def currency_in_name(name: str) -> str | None:
    """Return the currency in the name of a column, such as "Price (EUR)", "price_eur", or "Preis €"."""
    words = re.findall(r"[^\W\d_]+\$?|[^\w\s()\[\]/.,:;#&+*'\"!?%<>=-]", name)
    enclosed = re.findall(r"[(\[]\s*([^()\[\]\s]+)\s*[)\]]", name)
    for word in [*enclosed, *words[-1:], *words[:1]]:
        looks_like_a_code = word in enclosed or (word.isupper() and not name.isupper())
        if len(words) > 1 and (looks_like_a_code or word.upper() not in _WORDS):
            code = _meaning(word, "")
            if code is not None:
                return code
    return None


def _match(text: str) -> re.Match[str] | None:
    found = _MONEY.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    return None if found is None or (found[1] and found[3]) else found


def _currency(marks: list[str], default: str) -> str | None:
    """Return the currency that all marks mean, or the default if there are none."""
    meanings = {_meaning(mark, default) for mark in marks}
    codes = {mark.upper() for mark in marks} & CODES
    if codes:  # "$5 CAD": the code decides if the sign permits it
        meanings = {_meaning(mark, min(codes)) for mark in marks}
    return meanings.pop() if len(meanings) == 1 else None if meanings else default


def _meaning(mark: str, default: str) -> str | None:
    known = mark.rstrip(".").upper()
    if known in CODES:
        return known
    currencies = _MARKS.get(known, "").split()
    if default in currencies:
        return default
    return currencies[0] if currencies and known not in _AMBIGUOUS else None


def _point(digits: str) -> str:
    """Return the unambiguous decimal point of an amount, or an empty string."""
    signs = _POINTS.findall(digits)
    if not signs:
        return ""
    last: str = signs[-1]
    other = "," if last == "." else "."
    if len(set(signs)) == 2:  # noqa: PLR2004 - both
        return last
    if len(signs) > 1:
        return other
    whole, _, fraction = digits.partition(last)
    return "" if len(fraction) == _GROUP_SIZE and re.fullmatch("[1-9][0-9]{0,2}", whole) else last


def _amount(digits: str, point: str | None, *, is_bare: bool) -> Decimal | None:
    mark = _point(digits) or point
    if mark is None and is_bare and "," not in digits:
        mark = "."  # as in JSON: "1.234"
    if mark is None and _POINTS.search(digits):
        return None
    whole, _, fraction = digits.rpartition(mark) if mark and mark in digits else (digits, "", "")
    if not _WHOLE.fullmatch(whole) or (fraction and not fraction.isdecimal()):
        return None
    return Decimal(f"{re.sub('[^0-9]', '', whole)}.{fraction or 0}")
