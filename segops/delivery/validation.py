"""Read and check events, contexts, page views, and user contexts that the application passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from segops.core.errors import SegOpsEventError
from segops.core.events import ANONYMOUS, CONTEXT_IDENTIFIED, PAGE_VIEWED, Context, Event, PageView, UserContext
from segops.delivery.mappings import read_attributes, read_keys
from segops.delivery.times import has_seconds, to_rfc3339

MAX_OWNER_TEXT = 1024
"""Characters that each text of a `UserContext` may have."""

_LONE_SURROGATE = "[\ud800-\udfff]"
_NO_KEYWORDS: Mapping[str, Any] = MappingProxyType({})

Note = Callable[[str], None]
"""Gets a message about a doubtful argument."""

_Described = TypeVar("_Described", Event, Context, PageView, UserContext)


_MISSING: Mapping[type, dict[str, Any]] = {Event: {"user_id": None, "event_type": None}, Context: {"user_id": None}}
"""What stands for required fields that are not given, until they are checked."""


def _refuse(message: str) -> None:
    raise SegOpsEventError(message)


def read_event(
    value: object,
    ignore: Container[str] = frozenset(),
    keywords: Mapping[str, Any] = _NO_KEYWORDS,
    note: Note = _refuse,
) -> Event:
    """Return the event that is described; the values of its fields are checked when it is tracked.

    Args:
        value: An `Event`, a mapping with its fields, in snake_case or camelCase, or None.
        ignore: Keys to skip.
        keywords: More fields; those of `value` win, and None stands for one that is not given.
        note: Gets a message about fields that are given twice. Default: raise.

    Raises:
        SegOpsEventError: It is none of these, has a key that no event has, or a field is given twice.
    """
    return _read(Event, "an Event", value, keywords, note, ignore=ignore)


def read_context(value: object, keywords: Mapping[str, Any], note: Note) -> Event:
    """Return the event of a context, which may be described as an event may be.

    Raises:
        SegOpsEventError: As for `read_event`.
    """
    context = _read(Context, "a Context", value, keywords, note)
    return Event(context.user_id, CONTEXT_IDENTIFIED, payload=context.traits)


def read_page_view(value: object, keywords: Mapping[str, Any], note: Note) -> Event:
    """Return the event of a page view, which may be described as an event may be; `value` may also be a user id.

    Raises:
        SegOpsEventError: As for `read_event`.
    """
    if isinstance(value, str) or not isinstance(value, (PageView, Mapping)):  # most often a user id
        value, keywords = None, {"user_id": value, **keywords}
    page = _read(PageView, "a PageView", value, keywords, note)
    return Event(page.user_id or ANONYMOUS, PAGE_VIEWED, page.occurred_at, page.payload(), page.anonymous_id)


def _read(
    kind: type[_Described],
    what: str,
    value: object,
    keywords: Mapping[str, Any],
    note: Note,
    *,
    ignore: Container[str] = frozenset(),
) -> _Described:
    if value is None and keywords:
        return kind(**keywords)
    extra = {name: field for name, field in keywords.items() if field is not None} if keywords else {}
    if not isinstance(value, kind):
        given = read_keys(value, what, kind.__struct_fields__, ignore)
    elif value.__struct_fields__ != kind.__struct_fields__:  # of a derived class, with fields of its own
        fields = {name: item for name, item in msgspec.structs.asdict(value).items() if item is not None}
        given = read_keys(fields, what, kind.__struct_fields__, ignore)
    elif extra:
        given = {name: field for name, field in msgspec.structs.asdict(value).items() if field not in (None, {})}
    else:
        return value
    if twice := sorted(given.keys() & extra.keys()):
        note(f"given twice, in the {type(value).__name__} and as a keyword: {', '.join(twice)}; remove the keyword")
    return kind(**{**_MISSING.get(kind, {}), **extra, **given})


def check_text(name: str, value: object) -> str:
    """Return `value` as a plain str if it is a non-empty string.

    Raises:
        SegOpsEventError: It is not.
    """
    if not isinstance(value, str):
        shown = None if value is None else type(value).__name__
        raise SegOpsEventError(f"{name} must be a non-empty string, got {shown}")
    if not value:
        raise SegOpsEventError(f"{name} must be a non-empty string, got ''")
    return value if type(value) is str else str.__str__(value)


def check_payload(value: object) -> Mapping[str, Any]:
    """Return `value` if it is a mapping; an empty one for None.

    Raises:
        SegOpsEventError: It is not.
    """
    if value is None:
        return {}
    if type(value) is not dict and not isinstance(value, Mapping):
        raise SegOpsEventError(f"payload must be a mapping of properties, got {type(value).__name__}")
    return value


def read_user_context(value: object) -> UserContext:
    """Return a checked `UserContext` from what `get_user` returned; fields that are empty are left out.

    Args:
        value: A `UserContext`, a mapping with its fields or an object with its attributes, in snake_case or camelCase,
            or None.

    Raises:
        SegOpsEventError: It is something else, has a key that no `UserContext` has, or a field has the wrong type, is
            too long or cannot be sent.
    """
    names = UserContext.__struct_fields__
    if value is None:
        return UserContext()
    if isinstance(value, UserContext | Mapping):
        given = _read(UserContext, "a UserContext", value, _NO_KEYWORDS, _refuse)
    else:
        given = UserContext(**read_attributes(value, "get_user must return a UserContext or a mapping", names))
    return UserContext(
        _check_user_text("user_id", given.user_id),
        _check_user_text("anonymous_id", given.anonymous_id),
        _check_user_text("user_id_sig", given.user_id_sig),
        _check_user_time(given.user_id_ts),
    )


def _check_user_text(name: str, value: object) -> str | None:
    """Return the text as a plain str; what cannot be sent would fail again and again, in front of all others."""
    if value is None or value == "":
        return None
    text = check_text(f"{name} from get_user", value)
    if len(text) > MAX_OWNER_TEXT:
        raise SegOpsEventError(
            f"{name} from get_user must have at most {MAX_OWNER_TEXT} characters, got {len(text)}: shorten it"
        )
    if not text.isascii() and re.search(_LONE_SURROGATE, text):
        raise SegOpsEventError(f"{name} from get_user must be valid Unicode, got a lone surrogate: decode it as UTF-8")
    return text


def _check_user_time(value: object) -> int | None:
    if value is None or value == 0:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise SegOpsEventError(f"user_id_ts from get_user must be whole unix seconds, got {type(value).__name__}")
    stamp = int.__int__(value)
    if not -(2**63) <= stamp < 2**63:
        raise SegOpsEventError("user_id_ts from get_user must be unix seconds, got a number beyond 64 bits")
    return stamp


def check_time(value: object) -> str | datetime:
    """Return the time of an event in a form that is encoded as RFC 3339.

    ISO 8601 text becomes RFC 3339. A time without an offset is taken as UTC, and one whose offset has seconds becomes
    UTC.

    Raises:
        SegOpsEventError: `value` is neither a datetime nor ISO 8601 text, or the date does not exist.
    """
    if isinstance(value, str):
        return _check_time_text(str.__str__(value))
    if not isinstance(value, datetime):
        raise SegOpsEventError(f"occurred_at must be ISO 8601 text or a datetime, got {type(value).__name__}")
    if value != value:  # noqa: PLR0124 - only pandas' NaT, which is a datetime, differs from itself
        raise SegOpsEventError("occurred_at must be a time, got NaT: omit it, or pass a datetime")
    offset = datetime.utcoffset(value)
    if offset is None:
        return value.replace(tzinfo=timezone.utc)
    return _check_time_text(datetime.isoformat(value)) if has_seconds(offset) else value


def _check_time_text(text: str) -> str:
    try:
        return to_rfc3339(text)
    except ValueError as error:
        raise SegOpsEventError(
            f"occurred_at must be a time such as 2026-04-25T14:32:00Z, got {text[:40]!r}: {error}"
        ) from None
