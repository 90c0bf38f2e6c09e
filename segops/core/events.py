"""Events and what describes them, with their checks."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import date, datetime, timezone
from typing import Any

import msgspec

from segops.core.errors import SegOpsEventError
from segops.core.keys import read_keys

CONTEXT_IDENTIFIED = "context_identified"
PAGE_VIEWED = "page_viewed"


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """Something that a user did.

    Attributes:
        user_id: Your own id for the person; not empty.
        event_type: A snake_case name in the past tense, such as "order_placed"; not empty.
        occurred_at: When it happened, as ISO 8601 text or datetime (a naive one is taken as UTC). The client fills it
            in at the call.
        payload: Any JSON properties.
        anonymous_id: A device or visitor id; lets SegOps link what the visitor did before `user_id` was known.

    Source: wire-protocol.md, section 2.1.
    """

    user_id: str
    event_type: str
    occurred_at: str | datetime | None = None
    payload: Mapping[str, Any] = {}
    anonymous_id: str | None = None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Event({self.event_type!r}, {len(self.payload)} properties)"


class Context(msgspec.Struct):
    """The traits of a user, recorded as a `context_identified` event.

    Attributes:
        user_id: Your own id for the person; not empty.
        traits: Any JSON properties. The latest set replaces the one before.

    Source: typescript-sdk.md, "identify"; wire-protocol.md, section 2.4.
    """

    user_id: str
    traits: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Context({len(self.traits)} traits)"


class UserContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who the current user is, exchanged for a session token when the key is public (`pk_`).

    Attributes:
        user_id: The id of the logged-in user; None for an anonymous visitor.
        anonymous_id: A stable id of the visitor or device.
        user_id_sig: The signature of `user_id` made by `sign_user_id` on your backend, lower-case hex.
        user_id_ts: The unix seconds that were signed with it.

    Source: typescript-sdk.md, "UserContext"; wire-protocol.md, section 3.1.
    """

    user_id: str | None = None
    anonymous_id: str | None = None
    user_id_sig: str | None = None
    user_id_ts: int | None = None

    def __repr__(self) -> str:
        """Show no personal data and no signature."""
        return f"UserContext({'signed' if self.user_id_sig else 'unsigned'})"


class PageView(msgspec.Struct):
    """A page that a user looked at, recorded as a `page_viewed` event.

    Attributes:
        user_id: Your own id for the person.
        path: The path of the page; taken from `url` when only that is given.
        url: The full URL of the page.
        referrer: The full URL of the page that the visitor came from.
        title: The title of the page.

    Source: typescript-sdk.md, "trackPageView"; the last three are of this SDK, as a server has no document to ask.
    """

    user_id: str = "anonymous"
    path: str | None = None
    url: str | None = None
    referrer: str | None = None
    title: str | None = None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"PageView({len(self.payload())} properties)"

    def payload(self) -> dict[str, str]:
        """Return the properties that are known."""
        path = _path_of(self.url) if self.path is None and isinstance(self.url, str) and self.url else self.path
        properties = {"path": path, "url": self.url, "referrer": self.referrer, "title": self.title}
        return {name: value for name, value in properties.items() if value is not None}


def _path_of(url: str) -> str | None:
    from urllib.parse import urlsplit  # noqa: PLC0415 - not needed by most programs, and not free to load

    try:
        return urlsplit(url).path or "/"
    except ValueError:
        return None


def read_event(value: object, ignore: Container[str] = frozenset()) -> Event:
    """Return the event that a mapping describes; the values of its fields are checked when it is tracked.

    Args:
        value: A mapping with the fields of `Event`, in snake_case or camelCase, or an `Event`.
        ignore: Keys to skip.

    Raises:
        SegOpsEventError: It is neither, or has a key that no event has.
    """
    if isinstance(value, Event):
        return value
    fields = read_keys(value, "an Event", Event.__struct_fields__, ignore)
    given = {name: field for name, field in fields.items() if field is not None}
    return Event(**{"user_id": None, "event_type": None, **given})


def check_text(name: str, value: object) -> str:
    """Return `value` as a plain str if it is text with at least one character.

    Raises:
        SegOpsEventError: It is not.
    """
    if not isinstance(value, str):
        kind = type(value).__name__
        raise SegOpsEventError(f"{name} must be text, but is of type {kind}: pass a non-empty str")
    if not value:
        raise SegOpsEventError(f"{name} is empty: pass a non-empty str")
    return value if type(value) is str else str.__str__(value)


def check_payload(value: object) -> Mapping[str, Any]:
    """Return `value` if it is a mapping; an empty one for None.

    Raises:
        SegOpsEventError: It is not.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise SegOpsEventError(f"the payload is of type {type(value).__name__}: pass a mapping of properties")
    return value


def read_user_context(value: object) -> UserContext:
    """Return a checked `UserContext` from what `get_user` returned: one, a mapping with its fields, or None.

    Raises:
        SegOpsEventError: It is something else, or a field has the wrong type.
    """
    if isinstance(value, UserContext):
        value = msgspec.structs.asdict(value)
    try:
        return msgspec.convert({} if value is None else value, UserContext)
    except msgspec.ValidationError as error:
        raise SegOpsEventError(f"get_user returned no UserContext: {error}") from None


def check_time(value: object) -> str | datetime:
    """Return the time of an event in a form that is encoded as RFC 3339.

    RFC 3339 text, and a bare date, is passed on as it is. Other ISO 8601 text is read by `datetime.fromisoformat`,
    which knows more forms since Python 3.11. A naive datetime is taken as UTC.

    Raises:
        SegOpsEventError: It is neither a datetime nor ISO 8601 text.
    """
    if isinstance(value, str):
        text = str.__str__(value)
        if _is_rfc3339(text):
            return text
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise SegOpsEventError(
                f"occurred_at is {text[:40]!r}, which is not ISO 8601: write 2026-04-25T14:32:00Z"
            ) from None
    if not isinstance(value, datetime):
        raise SegOpsEventError(
            f"occurred_at must be ISO 8601 text or a datetime, but is of type {type(value).__name__}"
        )
    if value != value:  # noqa: PLR0124 - pandas' NaT, which is a datetime, is known by this alone
        raise SegOpsEventError("occurred_at is NaT, a time that is missing: leave it out, or pass a datetime")
    return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value


def _is_rfc3339(text: str) -> bool:
    for kind in (datetime, date):
        try:
            msgspec.convert(text, kind)
        except (msgspec.ValidationError, UnicodeEncodeError):
            continue
        return True
    return False
