"""Analytics: metrics about segments, events, and activations."""

from __future__ import annotations

from typing import Any

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.pagination import Page
from segops.plugins.admin.records import Record
from segops.plugins.admin.resource import EndpointCall, endpoint
from segops.plugins.admin.resources.activations import ActivationStatus


class Overview(Record):
    """Totals of the tenant.

    Attributes:
        segment_count: Segments.
        total_members: Members of all segments together.
        events_30d: Events in the last 30 days.
        ai_credits_used: AI credits used.
        ai_credits_limit: AI credits available; -1 means unlimited.
    """

    __slots__ = ()
    segment_count: int
    total_members: int
    events_30d: int
    ai_credits_used: int
    ai_credits_limit: int


class SegmentTrend(Record):
    """The members of a segment over the last 30 days.

    Attributes:
        id: The id of the segment.
        name: The name of the segment.
        member_count: Members at the last computation.
        last_computed_at: The last computation, as ISO 8601.
        trend: `day` and `count` for each day.
    """

    __slots__ = ()
    id: int
    name: str
    member_count: int
    last_computed_at: str | None
    trend: list[dict[str, Any]]


class Overlap(Record):
    """The members that two segments share.

    Attributes:
        seg_a_id: The id of the first segment.
        seg_a_name: The name of the first segment.
        seg_b_id: The id of the second segment.
        seg_b_name: The name of the second segment.
        overlap: Members in both.
        overlap_pct: Members in both, in percent of the smaller segment.
    """

    __slots__ = ()
    seg_a_id: int
    seg_a_name: str
    seg_b_id: int
    seg_b_name: str
    overlap: int
    overlap_pct: float


class ActivationHealth(Record):
    """The recent syncs of an activation.

    Attributes:
        id: The id.
        segment_id: The id of the segment.
        segment_name: The name of the segment.
        connector_type: The other system.
        status: Whether it is in use, or failing.
        last_synced_at: The last successful sync, as ISO 8601.
        last_error: The last error.
        member_count: Members of the segment.
        success_rate: Success rate of the last 30 syncs; None before the first one.
        sync_logs: The last five syncs.
    """

    __slots__ = ()
    id: int
    segment_id: int
    segment_name: str
    connector_type: str
    status: ActivationStatus
    last_synced_at: str | None
    last_error: str | None
    member_count: int
    success_rate: float | None
    sync_logs: list[dict[str, Any]]


class Analytics(Crud[Record]):
    """Read metrics about segments, events, and activations."""

    path = "/analytics/"
    unlisted = frozenset({"list", "iterate", "get", "create", "update", "delete"})

    @endpoint("GET", "{collection}overview/")
    def overview(self, call: EndpointCall) -> Overview:
        """Get the totals of the tenant."""
        return call.record(Overview)

    @endpoint("GET", "{collection}usage/")
    def usage(self, call: EndpointCall) -> Record:
        """Get the usage of the plan; its fields are undocumented."""
        return call.record(Record)

    @endpoint("GET", "{collection}segments/", pagination="array")
    def segments(self, call: EndpointCall) -> Page[SegmentTrend]:
        """List the active segments with their members over the last 30 days."""
        return call.page(SegmentTrend)

    @endpoint("GET", "{collection}overlap/", pagination="array")
    def overlap(self, call: EndpointCall) -> Page[Overlap]:
        """List the pairs of segments that share the most members, at most 20."""
        return call.page(Overlap)

    @endpoint("GET", "{collection}activations/", pagination="array")
    def activations(self, call: EndpointCall) -> Page[ActivationHealth]:
        """List the activations with their recent syncs."""
        return call.page(ActivationHealth)
