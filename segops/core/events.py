"""Events, page views, and users."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

CONTEXT_IDENTIFIED = "context_identified"
PAGE_VIEWED = "page_viewed"
ANONYMOUS = "anonymous"
"""The user id of an unknown visitor. Source: TypeScript SDK, "TypeScript Types"."""


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """Something that a user did.

    Attributes:
        user_id: Your own id for the person; not empty.
        event_type: A snake_case name in the past tense, such as "order_placed"; not empty.
        occurred_at: When it happened, as ISO 8601 text or datetime (UTC if it has no time zone). Default: now.
        payload: Any JSON properties.
        anonymous_id: A device or visitor id, which links events before a login to the user.

    Source: TypeScript SDK, "track"; docs/encoding.md.
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
        traits: Any JSON properties. They replace earlier ones.

    Source: TypeScript SDK, "identify".
    """

    user_id: str
    traits: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Context({len(self.traits)} traits)"


class UserContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who the current user is, exchanged for a session token when the key is public (`pk_`).

    Each text may have up to 1,024 characters; with a longer one the event is dropped as `invalid`.

    Attributes:
        user_id: The id of the logged-in user; None for an anonymous visitor.
        anonymous_id: A stable id of the visitor or device.
        user_id_sig: The signature of `user_id` made by `sign_user_id` on your backend, lower-case hex.
        user_id_ts: The unix seconds that were signed with it.

    Source: TypeScript SDK, "UserContext".
    """

    user_id: str | None = None
    anonymous_id: str | None = None
    user_id_sig: str | None = None
    user_id_ts: int | None = None

    def __repr__(self) -> str:
        """Show no personal data and no signature."""
        return f"UserContext({'signed' if self.user_id_sig else 'unsigned'})"


class PageView(msgspec.Struct):
    """A page that a user viewed, recorded as a `page_viewed` event.

    Attributes:
        user_id: Your own id for the person.
        path: The path of the page; taken from `url` when only that is given.
        url: The full URL of the page.
        referrer: The full URL of the page that the visitor came from.
        title: The title of the page.
        occurred_at: When, as for `Event`.
        anonymous_id: A device or visitor id.

    Source: TypeScript SDK, "trackPageView"; the attributes after `path` are additions of this SDK.
    """

    user_id: str = ANONYMOUS
    path: str | None = None
    url: str | None = None
    referrer: str | None = None
    title: str | None = None
    occurred_at: str | datetime | None = None
    anonymous_id: str | None = None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"PageView({len(self.payload())} properties)"

    def payload(self) -> dict[str, str]:
        """Return the known properties."""
        path = _path_of(self.url) if self.path is None and isinstance(self.url, str) and self.url else self.path
        properties = {"path": path, "url": self.url, "referrer": self.referrer, "title": self.title}
        return {name: value for name, value in properties.items() if value is not None}


def _path_of(url: str) -> str | None:
    from urllib.parse import urlsplit  # noqa: PLC0415 - slow to load, and rarely needed

    try:
        return urlsplit(url).path or "/"
    except ValueError:
        return None
