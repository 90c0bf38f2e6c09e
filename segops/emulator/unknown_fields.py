"""Reject undocumented fields and parameters by name, and suggest the name that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from segops.emulator.responses import HTTPError

_SYNONYMS = {
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


def unknown_field_errors(names: Iterable[str], known: Collection[str]) -> dict[str, list[str]]:
    """Return an error message for each unknown name."""
    return {name: [_message(name, known)] for name in names if name not in known}


def reject_unknown_fields(names: Iterable[str], known: Collection[str]) -> None:
    """Check that all names are known.

    Raises:
        HTTPError: 400, with the unknown names and the ones that were probably meant.
    """
    if errors := unknown_field_errors(names, known):
        raise HTTPError(400, errors)


def _message(name: str, known: Collection[str]) -> str:
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name[:_SHOWN]).lower()
    meant = _SYNONYMS.get(snake)
    likely = [meant] if meant in known else get_close_matches(snake, known, 1)
    if likely:
        return f"Unknown field: did you mean {likely[0]!r}?"
    return (
        f"Unknown field: known are {', '.join(sorted(known))}."
        if known
        else "Unknown field: no fields are accepted here."
    )
