"""Segments: groups of users.

Source: wire-protocol.md, section 6.1.
"""

from __future__ import annotations

from typing import Any

from segops.plugins.admin.exports import Exportable
from segops.plugins.admin.fields import DEFINITION, merge_fields
from segops.plugins.admin.pagination import Items, Page
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import EndpointCall, Fields, composite, endpoint
from segops.plugins.admin.waiting import wait_for_computation


class Segment(Record):
    """A group of users.

    Attributes:
        id: Its number.
        name: Its name.
        description: What it is for.
        definition: The conditions, as {"logic": "AND" or "OR", "conditions": […]}.
        segment_type: "rule", "ai" or "lookalike".
        is_active: Whether it is in use.
        member_count: How many members the last computation found.
        last_computed_at: When that was, as ISO 8601; None before the first one.
    """

    __slots__ = ()
    id: int
    name: str
    description: str
    definition: dict[str, Any]
    segment_type: str
    is_active: bool
    member_count: int
    last_computed_at: str | None


class SegmentPreview(Record):
    """Whom a definition matches.

    Attributes:
        matched_users: How many.
        sample_user_ids: Some of them.
        sql: How they were found.
    """

    __slots__ = ()
    matched_users: int
    sample_user_ids: list[str]
    sql: str


class SegmentVersion(Record):
    """A definition that was saved; the fields are not documented."""

    __slots__ = ()


class SegmentMember(Record):
    """A user who is in a segment.

    Attributes:
        user_id: The user.
        computed_at: When that was computed.
    """

    __slots__ = ()
    user_id: str
    computed_at: str


class Segments(Exportable[Segment]):
    """Groups of users: define them, compute them, read and export their members."""

    path = "/segments/"
    exports = "/segments/exports/"
    default_format = "csv"
    more_fields = frozenset({"tenant"})

    @endpoint("POST", "{collection}preview/", fields=("definition", "limit"))
    def preview(
        self, call: EndpointCall, definition: Fields, *, limit: int | None = None, extra_fields: Fields | None = None
    ) -> SegmentPreview:
        """Tell whom a definition matches, without saving it.

        Args:
            definition: The conditions.
            limit: How many of the users to name.
            extra_fields: Fields of the body that are not documented.
        """
        given: dict[str, Any] = {"definition": merge_fields(definition, {}, accepted=DEFINITION, what="definition")}
        limits = {} if limit is None else {"limit": limit}
        return call.record(SegmentPreview, body=call.fields(given, limits, extra_fields))

    @endpoint("POST", "{collection}{id}/estimate/")
    def estimate(self, call: EndpointCall, id: Id) -> Receipt:
        """Estimate how many members a segment has.

        Args:
            id: The segment.
        """
        return call.receipt(id=id)

    @endpoint("GET", "{collection}{id}/versions/", pagination="array")
    def versions(self, call: EndpointCall, id: Id) -> Page[SegmentVersion]:
        """List the definitions that were saved.

        Args:
            id: The segment.
        """
        return call.page(SegmentVersion, id=id)

    @endpoint("POST", "{collection}{id}/compute/")
    def recompute(self, call: EndpointCall, id: Id) -> Receipt:
        """Queue the computation of the members; it does not wait for the outcome.

        Args:
            id: The segment.
        """
        return call.receipt(id=id)

    @composite("get", "recompute")
    def recompute_and_wait(self, id: Id, *, timeout: float = 300.0) -> Segment:
        """Compute the members and return the segment when that is done, with its new `member_count`.

        Done means that `last_computed_at` has changed. A computation that was running before may be the one seen.

        Args:
            id: The segment.
            timeout: Seconds to wait at most; the computation goes on.

        Raises:
            SegOpsTimeoutError: It takes longer.
        """
        return wait_for_computation(
            self.http,
            lambda: self.get(id),
            lambda: self.recompute(id),
            timeout=timeout,
            what="the computation of the segment",
        )

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
        """List some of the members, as last computed.

        Args:
            id: The segment.
            params: The parameters as a mapping.
            limit: How many to list.
            cursor: Where to go on: `next_cursor` of the page before.
            extra_fields: Parameters that are not documented.
            filters: More parameters: `page`, `page_size`.
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
        """Go through all members, as last computed; they are fetched as they are reached.

        Args:
            id: The segment.
            params: The parameters as a mapping.
            page_size: How many to fetch at a time.
            extra_fields: Parameters that are not documented.
            filters: More parameters.
        """
        query = self.check_params("members", params, {"page_size": page_size, **filters}, extra_fields)
        return Items(lambda: self.members(id, extra_fields=query))

    @endpoint("GET", "{collection}membership/")
    def membership(self, call: EndpointCall, user_id: str) -> Record:
        """Tell which segments a user is in; the fields are not documented.

        Args:
            user_id: The user.
        """
        return call.record(Record, query={"user_id": user_id})
