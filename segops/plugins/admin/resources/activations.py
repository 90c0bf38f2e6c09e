"""Activations: segments that are kept in step with another system.

Source: wire-protocol.md, section 6.5.
"""

from __future__ import annotations

from typing import Any

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import EndpointCall, endpoint


class Activation(Record):
    """A segment that is kept in step with another system.

    Attributes:
        id: Its number.
        segment: The number of the segment.
        connector_type: The other system, such as "klaviyo".
        status: "inactive", "active" or "error".
        config: How the other system is reached; secrets are "***".
        last_synced_at: When it was last in step, as ISO 8601.
        last_error: What went wrong last.
    """

    __slots__ = ()
    id: int
    segment: int
    connector_type: str
    status: str
    config: dict[str, Any]
    last_synced_at: str | None
    last_error: str | None


class Activations(Crud[Activation]):
    """Segments that are kept in step with other systems. A new one is inactive until `update(id, status="active")`."""

    path = "/activations/"

    @endpoint("POST", "{collection}{id}/sync/")
    def sync(self, call: EndpointCall, id: Id) -> Receipt:
        """Bring the other system in step now.

        Args:
            id: The activation.
        """
        return call.receipt(id=id)
