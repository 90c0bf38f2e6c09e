"""Format foreign text for messages: shorten it, and escape control characters."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 120
_LISTED = 40


def printable(text: object, limit: int = _SHOWN) -> str:
    """Return text shortened, with control and invisible characters escaped."""
    shown = str(text)
    escaped = "".join(char if char.isprintable() else _escape(char) for char in shown[:limit])
    return f"{escaped}…" if len(shown) > limit else escaped


def quoted(value: object, limit: int = _SHOWN) -> str:
    """Return text in quotes, or another plain value as it is."""
    return repr(value) if isinstance(value, int | float | bool | None) else f"'{printable(value, limit)}'"


def listed(names: Iterable[object], limit: int = _LISTED) -> str:
    """Return names separated by commas."""
    found = list(names)
    more = [f"and {len(found) - limit} more"] if len(found) > limit else []
    return ", ".join([*map(printable, found[:limit]), *more])


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
