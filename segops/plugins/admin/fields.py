"""Fields of bodies and parameters of queries: gathered from a mapping and keywords, and checked by their names."""

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
    **dict.fromkeys(("timeout", "max_retries", "deadline", "idempotency_key", "headers"), "set it by with_options()"),
    **dict.fromkeys(_PAGING, "use page and page_size"),
    **dict.fromkeys(("method", "extra_fields"), "pass it as a keyword to a method that takes it"),
}
"""Words with a meaning of their own in this SDK or in other lists: they are never taken for a field of somebody."""

_SYNONYMS: Mapping[str, str] = {
    **dict.fromkeys(("properties", "traits", "data"), "payload"),
    **dict.fromkeys(("timestamp", "time", "sentat"), "occurred_at"),
    **dict.fromkeys(("event", "type", "name"), "event_type"),
}
"""What other services call the fields of an event."""

_NEAR = 0.85
"""How alike two names must be (`difflib`) for one to be a misspelling where any other name may be right."""


class AllowedFields(msgspec.Struct, frozen=True):
    """The names that a body or a query may have.

    Attributes:
        names: The documented names.
        is_open: Whether names of the tenant's own are documented, too: only misspellings of `names` are refused.
    """

    names: frozenset[str]
    is_open: bool = False

    def check(self, names: Iterable[str]) -> None:
        """Refuse names that nobody documented.

        Raises:
            SegOpsArgumentError: There is one; the message says which one was probably meant.
        """
        for name in names:
            if name not in self.names:
                self._check_unknown(name)

    def _check_unknown(self, name: object) -> None:
        if not isinstance(name, str):
            raise SegOpsArgumentError(f"names of fields must be str, got {quoted(name)} ({type(name).__name__})")
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
        if _SYNONYMS.get(bare(name)) in self.names:
            return _SYNONYMS[bare(name)]
        spelt = {bare(each): each for each in self.names}
        if bare(name) in spelt:
            return spelt[bare(name)]
        cutoff = _NEAR if self.is_open else 0.6
        found = get_close_matches(bare(name), spelt, n=1, cutoff=cutoff)
        return spelt[found[0]] if found else None


EVENT = AllowedFields(frozenset({"user_id", "event_type", "occurred_at", "payload", "anonymous_id"}))
DEFINITION = AllowedFields(frozenset({"logic", "conditions"}))


def merge_fields(
    mapping: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
    accepted: AllowedFields | None = None,
    *,
    what: str = "body",
    keeps_none: bool = True,
) -> dict[str, Any]:
    """Return the fields that are given as a mapping, as keywords and as extra fields, as one dict.

    Args:
        mapping: Documented fields.
        keywords: More documented fields.
        extra: Fields whose names are not checked.
        accepted: The documented names. Default: any.
        what: What the mapping is called.
        keeps_none: Whether None is a value; in queries it counts as not given.

    Raises:
        SegOpsArgumentError: A name is not documented, one is given twice, or what should be a mapping is none.
    """
    gathered: dict[str, Any] = {}
    for name, part in ((what, mapping), ("keywords", keywords), ("extra_fields", extra)):
        if part is None:
            continue
        if not isinstance(part, Mapping):
            raise SegOpsArgumentError(f"{name} must be a mapping, got {type(part).__name__}")
        if accepted is not None and part is not extra:
            accepted.check(part.keys())
        fields = {key: value for key, value in part.items() if keeps_none or value is not None}
        if twice := gathered.keys() & fields.keys():
            raise SegOpsArgumentError(f"given twice: {listed(sorted(twice))}: leave one out")
        gathered |= fields
    return gathered


def bare(name: str) -> str:
    """Return a name without what tells its spellings apart: userId, user-id and user_id."""
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")
