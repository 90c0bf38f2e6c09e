"""Users: their profiles, events, and segments."""

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
    """A user. Search results have fewer fields than `get`.

    Attributes:
        user_id: The id that the application chose.
        event_count: Number of events.
        event_type_count: Number of event types.
        first_seen: Time of the first event, as ISO 8601.
        last_seen: Time of the last event, as ISO 8601.
        properties: The traits of the latest `identify` call.
    """

    __slots__ = ()
    user_id: str
    event_count: int
    event_type_count: int
    first_seen: str
    last_seen: str
    properties: dict[str, Any]


class UserEvent(Record):
    """An event of a user.

    Attributes:
        event_type: The event type.
        occurred_at: When it happened, as ISO 8601.
        payload: The properties.
    """

    __slots__ = ()
    event_type: str
    occurred_at: str
    payload: dict[str, Any]


class UserSegment(Record):
    """A segment of a user.

    Attributes:
        segment_id: The id of the segment.
        segment_name: The name of the segment.
        member_count: Members of the segment.
        computed_at: The last computation, as ISO 8601.
    """

    __slots__ = ()
    segment_id: int
    segment_name: str
    member_count: int
    computed_at: str


class Explanation(Record):
    """How a user meets one condition of a segment.

    Attributes:
        index: The index of the condition in the definition, from 0.
        type: The type of the condition.
        label: The condition in words.
        actual_value: The value of the user.
        threshold: The value that the condition requires.
        matches: Whether the user meets the condition.
    """

    __slots__ = ()
    index: int
    type: str
    label: str
    actual_value: Any
    threshold: Any
    matches: bool


class SandboxResult(Record):
    """The effect that an event would have.

    Attributes:
        published: Whether the server evaluated the event.
        entered: The segments that the user would enter, each with `id` and `name`.
        exited: The segments that the user would leave.
        unchanged_count: Segments that would not change.
    """

    __slots__ = ()
    published: bool
    entered: list[dict[str, Any]]
    exited: list[dict[str, Any]]
    unchanged_count: int


class Users(Crud[User]):
    """Look up users, their events, and their segments. Users are created by events and cannot be changed here."""

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
        """List users, as `search` does.

        Args:
            params: The parameters as a mapping.
            page: The page number, if the server supports pages of users.
            page_size: Users to return, at most.
            extra_fields: Undocumented parameters.
            filters: Further parameters.
        """
        return call.page(User, params, {"page": page, "page_size": page_size, **filters}, extra_fields)

    @endpoint("GET", "{collection}", pagination="limit", fields=())
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
        """Search users by their id.

        Args:
            params: The parameters as a mapping.
            q: The start of the id, or a part of it.
            limit: Users to return, at most.
            extra_fields: Undocumented parameters.
            filters: Further parameters.
        """
        return call.page(User, params, {"q": q, "limit": limit, **filters}, extra_fields)

    @endpoint("GET", "{collection}{user_id}/")
    def get(self, call: EndpointCall, user_id: Id) -> User:  # pyright: ignore[reportIncompatibleMethodOverride] # as the API names it
        """Get a user by id.

        Args:
            user_id: The id of the user.
        """
        return call.record(User, user_id=user_id)

    @endpoint("GET", "{collection}{user_id}/events/", pagination="limit", fields=())
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
        """List the events of a user, newest first.

        Args:
            user_id: The id of the user.
            params: The parameters as a mapping.
            event_type: Only events of this type.
            limit: Events to return, at most.
            since: Only events since this time, as ISO 8601.
            extra_fields: Undocumented parameters.
            filters: Further parameters.
        """
        query = {"event_type": event_type, "limit": limit, "since": since, **filters}
        return call.page(UserEvent, params, query, extra_fields, user_id=user_id)

    @endpoint("GET", "{collection}{user_id}/segments/", pagination="array")
    def segments(self, call: EndpointCall, user_id: Id) -> Page[UserSegment]:
        """List the segments of a user.

        Args:
            user_id: The id of the user.
        """
        return call.page(UserSegment, user_id=user_id)

    @endpoint("GET", "{collection}{user_id}/segments/{segment_id}/explain/", pagination="array")
    def explain(self, call: EndpointCall, user_id: Id, segment_id: Id) -> Page[Explanation]:
        """Explain for each condition of a segment whether a user meets it.

        Args:
            user_id: The id of the user.
            segment_id: The id of the segment.
        """
        return call.page(Explanation, user_id=user_id, segment_id=segment_id)

    @endpoint("POST", "/explorer/sandbox/publish/")
    def publish_sandbox(
        self, call: EndpointCall, event: Mapping[str, Any], *, extra_fields: Fields | None = None
    ) -> SandboxResult:
        """Simulate an event: which segments its user would enter or leave. Nothing is stored.

        Args:
            event: The event: `user_id`, `event_type`, `payload`, `occurred_at`, `anonymous_id`.
            extra_fields: Undocumented fields of the event.
        """
        return call.record(SandboxResult, body=merge_fields(event, {}, extra_fields, EVENT, name="event"))
