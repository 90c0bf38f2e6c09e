"""Segments: groups of users."""

from __future__ import annotations

from typing import Any, Literal

from segops.plugins.admin.computable import Computable
from segops.plugins.admin.exports import Exportable
from segops.plugins.admin.fields import DEFINITION, merge_fields
from segops.plugins.admin.pagination import Items, Page
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import EndpointCall, Fields, composite, endpoint


class Segment(Record):
    """A group of users.

    Attributes:
        id: The id.
        name: The name.
        description: The description.
        definition: The conditions, as {"logic": "AND" or "OR", "conditions": […]}.
        segment_type: How members are found.
        is_active: Whether the segment is in use.
        member_count: Members at the last computation.
        last_computed_at: The last computation, as ISO 8601; None before the first one.
    """

    __slots__ = ()
    id: int
    name: str
    description: str
    definition: dict[str, Any]
    segment_type: Literal["rule", "ai", "lookalike"]
    is_active: bool
    member_count: int
    last_computed_at: str | None


class SegmentPreview(Record):
    """The users that a definition matches.

    Attributes:
        matched_users: Number of matching users.
        sample_user_ids: Ids of some of them.
        sql: The query that found them.
    """

    __slots__ = ()
    matched_users: int
    sample_user_ids: list[str]
    sql: str


class SegmentVersion(Record):
    """A saved version of a definition; its fields are undocumented."""

    __slots__ = ()


class SegmentMember(Record):
    """A user in a segment.

    Attributes:
        user_id: The id of the user.
        computed_at: The computation that found the user, as ISO 8601.
    """

    __slots__ = ()
    user_id: str
    computed_at: str


class Segments(Exportable[Segment], Computable[Segment]):
    """Define and compute user segments, and export their members."""

    path = "/segments/"
    exports = "/segments/exports/"
    default_format = "csv"
    more_fields = frozenset({"tenant"})

    @endpoint("POST", "{collection}preview/", fields=("definition",))
    def preview(
        self, call: EndpointCall, definition: Fields, *, limit: int | None = None, extra_fields: Fields | None = None
    ) -> SegmentPreview:
        """Preview which users a definition matches, without saving it.

        Args:
            definition: The conditions.
            limit: Sample users to return.
            extra_fields: Undocumented fields.
        """
        given: dict[str, Any] = {"definition": merge_fields(definition, {}, allowed=DEFINITION, name="definition")}
        limits = {} if limit is None else {"limit": limit}
        return call.record(SegmentPreview, body=call.fields(given, limits, extra_fields))

    @endpoint("POST", "{collection}{id}/estimate/")
    def estimate(self, call: EndpointCall, id: Id) -> Receipt:
        """Estimate the number of members of a segment.

        Args:
            id: The id of the segment.
        """
        return call.receipt(id=id)

    @endpoint("GET", "{collection}{id}/versions/", pagination="array")
    def versions(self, call: EndpointCall, id: Id) -> Page[SegmentVersion]:
        """List the saved versions of the definition.

        Args:
            id: The id of the segment.
        """
        return call.page(SegmentVersion, id=id)

    @endpoint("GET", "{collection}{id}/members/", pagination="cursor", fields=())
    def members(
        self,
        call: EndpointCall,
        /,
        id: Id,
        params: Fields | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        extra_fields: Fields | None = None,
        **filters: Any,
    ) -> Page[SegmentMember]:
        """List one page of members, as of the last computation.

        Args:
            id: The id of the segment.
            params: The parameters as a mapping.
            limit: Members per page.
            cursor: The `next_cursor` of the previous page.
            extra_fields: Undocumented parameters.
            filters: Further parameters: `page`, `page_size`.
        """
        return call.page(SegmentMember, params, {"limit": limit, "cursor": cursor, **filters}, extra_fields, id=id)

    @composite("members", pagination="cursor")
    def iterate_members(
        self,
        id: Id,
        params: Fields | None = None,
        *,
        page_size: int | None = None,
        extra_fields: Fields | None = None,
        **filters: Any,
    ) -> Items[SegmentMember]:
        """Iterate over all members, as of the last computation, fetching each page on demand.

        Args:
            id: The id of the segment.
            params: The parameters as a mapping.
            page_size: Members per page.
            extra_fields: Undocumented parameters.
            filters: Further parameters.
        """
        query = self.check_params("members", params, {"page_size": page_size, **filters}, extra_fields)
        return Items(lambda: self.members(id, extra_fields=query))

    @endpoint("GET", "{collection}membership/")
    def membership(self, call: EndpointCall, user_id: str) -> Record:
        """Get the segments of a user; the fields of the response are undocumented.

        Args:
            user_id: The id of the user.
        """
        return call.record(Record, query={"user_id": user_id})
