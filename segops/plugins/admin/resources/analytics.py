"""Analytics: figures about everything else.

Source: wire-protocol.md, section 6.10.
"""

from __future__ import annotations

from typing import Any

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.pagination import Page
from segops.plugins.admin.records import Record
from segops.plugins.admin.resource import EndpointCall, endpoint


class Overview(Record):
    """The figures of the tenant.

    Attributes:
        segment_count: How many segments there are.
        total_members: How many members they have together.
        events_30d: How many events came in the last 30 days.
        ai_credits_used: How many AI credits are used.
        ai_credits_limit: How many there are; -1 for any number.
    """

    __slots__ = ()
    segment_count: int
    total_members: int
    events_30d: int
    ai_credits_used: int
    ai_credits_limit: int


class SegmentTrend(Record):
    """How a segment went over the last 30 days.

    Attributes:
        id: The number of the segment.
        name: Its name.
        member_count: How many members it has.
        last_computed_at: When that was computed, as ISO 8601.
        trend: For each day, `day` and `count`.
    """

    __slots__ = ()
    id: int
    name: str
    member_count: int
    last_computed_at: str | None
    trend: list[dict[str, Any]]


class Overlap(Record):
    """How many members two segments have in common.

    Attributes:
        seg_a_id: The number of the one segment.
        seg_a_name: Its name.
        seg_b_id: The number of the other.
        seg_b_name: Its name.
        overlap: How many members are in both.
        overlap_pct: The same in percent of the smaller one.
    """

    __slots__ = ()
    seg_a_id: int
    seg_a_name: str
    seg_b_id: int
    seg_b_name: str
    overlap: int
    overlap_pct: float


class ActivationHealth(Record):
    """How an activation went.

    Attributes:
        id: Its number.
        segment_id: The number of the segment.
        segment_name: Its name.
        connector_type: The other system.
        status: "inactive", "active" or "error".
        last_synced_at: When it was last in step, as ISO 8601.
        last_error: What went wrong last.
        member_count: How many members the segment has.
        success_rate: Over the last 30 times; None before the first.
        sync_logs: The last five times.
    """

    __slots__ = ()
    id: int
    segment_id: int
    segment_name: str
    connector_type: str
    status: str
    last_synced_at: str | None
    last_error: str | None
    member_count: int
    success_rate: float | None
    sync_logs: list[dict[str, Any]]


class Analytics(Crud[Record]):
    """Figures about everything else; they can only be read."""

    path = "/analytics/"
    unlisted = frozenset({"list", "iterate", "get", "create", "update", "delete"})

    @endpoint("GET", "{collection}overview/")
    def overview(self, call: EndpointCall) -> Overview:
        """Read the figures of the tenant."""
        return call.record(Overview)

    @endpoint("GET", "{collection}usage/")
    def usage(self, call: EndpointCall) -> Record:
        """Read what is used of the plan; the fields are not documented."""
        return call.record(Record)

    @endpoint("GET", "{collection}segments/", pagination="array")
    def segments(self, call: EndpointCall) -> Page[SegmentTrend]:
        """List how the active segments went over the last 30 days."""
        return call.page(SegmentTrend)

    @endpoint("GET", "{collection}overlap/", pagination="array")
    def overlap(self, call: EndpointCall) -> Page[Overlap]:
        """List the pairs of segments that have most members in common, at most 20."""
        return call.page(Overlap)

    @endpoint("GET", "{collection}activations/", pagination="array")
    def activations(self, call: EndpointCall) -> Page[ActivationHealth]:
        """List how the activations went."""
        return call.page(ActivationHealth)
