"""Product segments: groups of products.

Source: wire-protocol.md, section 6.2.
"""

from __future__ import annotations

from typing import Any

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import EndpointCall, composite, endpoint
from segops.plugins.admin.waiting import wait_for_computation


class ProductSegment(Record):
    """A group of products.

    Attributes:
        id: Its number.
        name: Its name.
        definition: The conditions.
        computed_count: How many products the last computation found.
        last_computed_at: When that was, as ISO 8601; None before the first one.
    """

    __slots__ = ()
    id: int
    name: str
    definition: dict[str, Any]
    computed_count: int
    last_computed_at: str | None


class ProductSegments(Crud[ProductSegment]):
    """Groups of products: define and compute them."""

    path = "/product-segments/"

    @endpoint("POST", "{collection}{id}/compute/")
    def recompute(self, call: EndpointCall, id: Id) -> Receipt:
        """Queue the computation of the products; it does not wait for the outcome.

        Args:
            id: The product segment.
        """
        return call.receipt(id=id)

    @composite("get", "recompute")
    def recompute_and_wait(self, id: Id, *, timeout: float = 300.0) -> ProductSegment:
        """Compute the products and return the product segment when that is done.

        Args:
            id: The product segment.
            timeout: Seconds to wait at most; the computation goes on.

        Raises:
            SegOpsTimeoutError: It takes longer.
        """
        return wait_for_computation(
            self.http,
            lambda: self.get(id),
            lambda: self.recompute(id),
            timeout=timeout,
            what="the computation of the product segment",
        )
