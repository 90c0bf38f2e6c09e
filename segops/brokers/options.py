"""Read the URLs of brokers. All that is in one is understood, or refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from segops.core import SegOpsConfigError
from segops.utils import nearest

_SIZE = re.compile(r"([0-9]{1,15})(b|kb|mb|gb|tb)?", re.IGNORECASE)
_UNITS = {"b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40}
_MAX_DIGITS = 9


def split_url(url: str, example: str) -> SplitResult:
    """Split a URL.

    Raises:
        SegOpsConfigError: It has a fragment, a control character, or no host.
    """
    scheme = url.partition(":")[0]
    if re.search(r"[\x00-\x20\x7f]", url):  # urlsplit would leave some of them out
        raise SegOpsConfigError(f"the {scheme}: URL contains a space or a control character: percent-encode it")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SegOpsConfigError(f"the {scheme}: URL has unbalanced brackets: write {example}") from None
    if parts.fragment:
        raise SegOpsConfigError(f"the {scheme}: URL has a fragment (#…): percent-encode # as %23")
    if not parts.netloc.rpartition("@")[2]:
        raise SegOpsConfigError(f"the {scheme}: URL has no host: write {example}")
    return parts


def credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    """Return the user and the password of a URL, decoded."""
    return tuple(None if text is None else unquote(text) or None for text in (parts.username, parts.password))  # type: ignore[return-value]


def read_options(parts: SplitResult, known: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a URL, with defaults for those that it does not have.

    Raises:
        SegOpsConfigError: One is unknown, or is there twice.
    """
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            raise SegOpsConfigError(f"the {parts.scheme}: URL has the unknown option {name!r}: {_suggest(name, known)}")
        if name in found:
            raise SegOpsConfigError(f"the {parts.scheme}: URL has the option {name!r} twice: write it once")
        found[name] = value
    return {**known, **found}


def read_count(name: str, text: str, minimum: int, maximum: int) -> int:
    """Return a whole number.

    Raises:
        SegOpsConfigError: It is none, or out of bounds.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS and minimum <= int(text) <= maximum):
        raise SegOpsConfigError(f"{name} must be a whole number from {minimum} to {maximum:,}, got {text[:40]!r}")
    return int(text)


def read_size(name: str, text: str) -> int:
    """Return a number of bytes that may have a unit, as "512mb" has.

    Raises:
        SegOpsConfigError: The text is not a size, or the size is 0.
    """
    found = _SIZE.fullmatch(text)
    if found is None or not int(found[1]):
        raise SegOpsConfigError(f"{name} must be a size such as 512mb or 1gb, got {text[:40]!r}")
    return int(found[1]) * _UNITS[(found[2] or "b").lower()]


def _suggest(name: str, known: Mapping[str, str]) -> str:
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else f"use {', '.join(known)}"
