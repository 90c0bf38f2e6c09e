"""Merge the fields of a body or query from a mapping and keywords, and check their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from segops.core import SegOpsArgumentError
from segops.plugins.admin.messages import listed, quoted

_PAGING = ("limit", "offset", "cursor")
_HINTS: Mapping[str, str] = {
    **dict.fromkeys(("body", "params"), "pass the fields as a mapping, as keywords, or both"),
    **dict.fromkeys(("fields", "filters", "query"), "pass each field as a keyword, or all as a mapping"),
    **dict.fromkeys(("max_retries", "deadline", "idempotency_key", "headers"), "use with_options()"),
    "timeout": "use with_options(), or --request-timeout on the command line",
    **dict.fromkeys(_PAGING, "use page and page_size"),
    **dict.fromkeys(("method", "extra_fields"), "pass it as a keyword to a method that takes it"),
}
"""Words that mean something in this SDK or in other lists. They are never taken for a field of the tenant."""

_SYNONYMS: Mapping[str, str] = {
    **dict.fromkeys(("properties", "traits", "data"), "payload"),
    **dict.fromkeys(("timestamp", "time", "sentat"), "occurred_at"),
    **dict.fromkeys(("event", "type", "name"), "event_type"),
}
"""Names that other services use for the fields of an event."""

_NEAR = 0.85
"""Similarity (`difflib`) from which a name counts as a misspelling where any other name may be right."""


class AllowedFields(msgspec.Struct, frozen=True):
    """The names that a body or a query may contain.

    Attributes:
        names: The documented names.
        is_open: Whether the tenant may use names of its own: only misspellings of `names` are rejected.
    """

    names: frozenset[str]
    is_open: bool = False

    def check(self, names: Iterable[str]) -> None:
        """Reject undocumented names.

        Raises:
            SegOpsArgumentError: A name is not documented; the message suggests the likely one.
        """
        for name in names:
            if name not in self.names:
                self._check_unknown(name)

    def _check_unknown(self, name: object) -> None:
        if not isinstance(name, str):
            raise SegOpsArgumentError(f"field names must be str, got {quoted(name)} ({type(name).__name__})")
        likely = self._likely(name)
        if self.is_open and likely is None and name not in _HINTS:
            return
        if likely is not None:
            fix = f"did you mean {likely!r}?"
        elif name in _HINTS and (name not in _PAGING or "page_size" in self.names):
            fix = _HINTS[name]
        else:
            fix = f"expected {listed(sorted(self.names))}" if self.names else "this call takes no fields"
        raise SegOpsArgumentError(f"unknown field {quoted(name)}: {fix} (extra_fields sends undocumented fields)")

    def _likely(self, name: str) -> str | None:
        if _SYNONYMS.get(normalize(name)) in self.names:
            return _SYNONYMS[normalize(name)]
        spellings = {normalize(each): each for each in self.names}
        if normalize(name) in spellings:
            return spellings[normalize(name)]
        cutoff = _NEAR if self.is_open else 0.6
        found = get_close_matches(normalize(name), spellings, n=1, cutoff=cutoff)
        return spellings[found[0]] if found else None


EVENT = AllowedFields(frozenset({"user_id", "event_type", "occurred_at", "payload", "anonymous_id"}))
DEFINITION = AllowedFields(frozenset({"logic", "conditions"}))


def merge_fields(
    mapping: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
    allowed: AllowedFields | None = None,
    *,
    name: str = "body",
    keep_none: bool = True,
) -> dict[str, Any]:
    """Merge the fields given as a mapping, as keywords, and as extra fields into one dict.

    Args:
        mapping: Documented fields.
        keywords: Further documented fields.
        extra: Fields whose names are not checked.
        allowed: The documented names. Default: any.
        name: The name of the mapping, for messages.
        keep_none: Whether None is a value; in queries it means not given.

    Raises:
        SegOpsArgumentError: A name is not documented or is given twice, or a value is not a mapping.
    """
    merged: dict[str, Any] = {}
    for source, part in ((name, mapping), ("keywords", keywords), ("extra_fields", extra)):
        if part is None:
            continue
        if not isinstance(part, Mapping):
            raise SegOpsArgumentError(f"{source} must be a mapping, got {type(part).__name__}")
        if allowed is not None and part is not extra:
            allowed.check(part.keys())
        fields = {key: value for key, value in part.items() if keep_none or value is not None}
        if twice := merged.keys() & fields.keys():
            raise SegOpsArgumentError(f"given twice: {listed(sorted(twice))}: leave one out")
        merged |= fields
    return merged


def normalize(name: str) -> str:
    """Return a name in a form that its spellings share: userId, user-id and user_id."""
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")
