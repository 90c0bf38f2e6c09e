"""What nobody documents is refused by name, with the name that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from segops.emulator.answers import invalid

_OTHER_WORDS = {
    "distinct_id": "user_id",
    "event": "event_type",
    "event_name": "event_type",
    "event_properties": "payload",
    "event_time": "occurred_at",
    "properties": "payload",
    "time": "occurred_at",
    "timestamp": "occurred_at",
    "traits": "payload",
    "search": "q",
    "per_page": "page_size",
    "size": "page_size",
}
_SHOWN = 80


def unknown_errors(given: Iterable[str], known: Collection[str]) -> dict[str, list[str]]:
    """Return a complaint for each name that is not known."""
    return {name: [_complaint(name, known)] for name in given if name not in known}


def refuse_unknown(given: Iterable[str], known: Collection[str]) -> None:
    """Refuse names that are not known.

    Raises:
        Refusal: 400; it says which, and the ones that were probably meant.
    """
    if errors := unknown_errors(given, known):
        raise invalid(errors)


def _complaint(name: str, known: Collection[str]) -> str:
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name[:_SHOWN]).lower()
    meant = _OTHER_WORDS.get(snake)
    likely = [meant] if meant in known else get_close_matches(snake, known, 1)
    if likely:
        return f"Unknown field: did you mean {likely[0]!r}?"
    return f"Unknown field: known are {', '.join(sorted(known))}." if known else "Unknown field: none is known here."
