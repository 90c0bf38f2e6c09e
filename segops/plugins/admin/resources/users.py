"""Users: who they are and what they did.

Source: wire-protocol.md, section 6.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.fields import EVENT, merge_fields
from segops.plugins.admin.pagination import Page
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Record
from segops.plugins.admin.resource import EndpointCall, Fields, endpoint


class User(Record):
    """A user; what a search finds has fewer fields than what `get` reads.

    Attributes:
        user_id: The id that the application gave.
        event_count: How many events there are.
        event_type_count: Of how many types they are.
        first_seen: When the first one happened, as ISO 8601.
        last_seen: When the last one happened.
        properties: The traits of the latest identification.
    """

    __slots__ = ()
    user_id: str
    event_count: int
    event_type_count: int
    first_seen: str
    last_seen: str
    properties: dict[str, Any]


class UserEvent(Record):
    """Something that a user did.

    Attributes:
        event_type: What it was.
        occurred_at: When it happened, as ISO 8601.
        payload: Its properties.
    """

    __slots__ = ()
    event_type: str
    occurred_at: str
    payload: dict[str, Any]


class UserSegment(Record):
    """A segment that a user is in.

    Attributes:
        segment_id: The number of the segment.
        segment_name: Its name.
        member_count: How many members it has.
        computed_at: When that was computed, as ISO 8601.
    """

    __slots__ = ()
    segment_id: int
    segment_name: str
    member_count: int
    computed_at: str


class Explanation(Record):
    """Why a user is in a segment or not, as to one condition.

    Attributes:
        index: The place of the condition in the definition, from 0.
        type: Its type.
        label: What it says, for people.
        actual_value: What the user has.
        threshold: What is wanted.
        matches: Whether that is so.
    """

    __slots__ = ()
    index: int
    type: str
    label: str
    actual_value: Any
    threshold: Any
    matches: bool


class SandboxResult(Record):
    """What one more event would change.

    Attributes:
        published: Whether the event was looked at.
        entered: The segments that the user would enter, each with `id` and `name`.
        exited: The segments that the user would leave.
        unchanged_count: How many segments would stay as they are.
    """

    __slots__ = ()
    published: bool
    entered: list[dict[str, Any]]
    exited: list[dict[str, Any]]
    unchanged_count: int


class Users(Crud[User]):
    """Who the users are and what they did. They come from events: none can be made, changed or deleted here."""

    path = "/explorer/users/"
    unlisted = frozenset({"create", "update", "delete"})

    @endpoint("GET", "{collection}", pagination="limit", fields=("q",))
    def list(
        self,
        call: EndpointCall,
        /,
        params: Fields | None = None,
        *,
        page: int | None = None,
        page_size: int | None = None,
        extra_fields: Fields | None = None,
        **filters: Any,
    ) -> Page[User]:
        """List users; the same as `search`.

        Args:
            params: The parameters as a mapping.
            page: The number of the page, where the server knows pages of users.
            page_size: How many to list at most.
            extra_fields: Parameters that are not documented.
            filters: More parameters.
        """
        return call.page(User, params, {"page": page, "page_size": page_size, **filters}, extra_fields)

    @endpoint("GET", "{collection}", pagination="limit", fields=("q",))
    def search(
        self,
        call: EndpointCall,
        /,
        params: Fields | None = None,
        *,
        q: str | None = None,
        limit: int | None = None,
        extra_fields: Fields | None = None,
        **filters: Any,
    ) -> Page[User]:
        """Find users by their id.

        Args:
            params: The parameters as a mapping.
            q: What the id begins with or contains.
            limit: How many to list at most.
            extra_fields: Parameters that are not documented.
            filters: More parameters.
        """
        return call.page(User, params, {"q": q, "limit": limit, **filters}, extra_fields)

    @endpoint("GET", "{collection}{user_id}/")
    def get(self, call: EndpointCall, user_id: Id) -> User:  # pyright: ignore[reportIncompatibleMethodOverride] # as the API names it
        """Read what is known of a user.

        Args:
            user_id: The user.
        """
        return call.record(User, user_id=user_id)

    @endpoint("GET", "{collection}{user_id}/events/", pagination="limit", fields=("event_type", "since"))
    def events(
        self,
        call: EndpointCall,
        /,
        user_id: Id,
        params: Fields | None = None,
        *,
        event_type: str | None = None,
        limit: int | None = None,
        since: str | None = None,
        extra_fields: Fields | None = None,
        **filters: Any,
    ) -> Page[UserEvent]:
        """List what a user did, the newest first.

        Args:
            user_id: The user.
            params: The parameters as a mapping.
            event_type: Only events of this type.
            limit: How many to list at most.
            since: Only events since this time, as ISO 8601.
            extra_fields: Parameters that are not documented.
            filters: More parameters.
        """
        query = {"event_type": event_type, "limit": limit, "since": since, **filters}
        return call.page(UserEvent, params, query, extra_fields, user_id=user_id)

    @endpoint("GET", "{collection}{user_id}/segments/", pagination="array")
    def segments(self, call: EndpointCall, user_id: Id) -> Page[UserSegment]:
        """List the segments that a user is in.

        Args:
            user_id: The user.
        """
        return call.page(UserSegment, user_id=user_id)

    @endpoint("GET", "{collection}{user_id}/segments/{segment_id}/explain/", pagination="array")
    def explain(self, call: EndpointCall, user_id: Id, segment_id: Id) -> Page[Explanation]:
        """Tell for each condition of a segment what a user has, and whether it matches.

        Args:
            user_id: The user.
            segment_id: The segment.
        """
        return call.page(Explanation, user_id=user_id, segment_id=segment_id)

    @endpoint("POST", "/explorer/sandbox/publish/")
    def publish_sandbox(
        self, call: EndpointCall, event: Mapping[str, Any], *, extra_fields: Fields | None = None
    ) -> SandboxResult:
        """Tell which segments a user would enter or leave with one more event; nothing is stored.

        Args:
            event: The event: `user_id`, `event_type`, `payload`, `occurred_at`, `anonymous_id`.
            extra_fields: Fields of the event that are not documented.
        """
        return call.record(SandboxResult, body=merge_fields(event, {}, extra_fields, EVENT, what="event"))
