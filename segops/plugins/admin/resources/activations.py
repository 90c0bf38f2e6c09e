"""Activations: segments that SegOps syncs to other systems."""

from __future__ import annotations

from typing import Any, Literal

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import EndpointCall, endpoint

ActivationStatus = Literal["inactive", "active", "error"]


class Activation(Record):
    """A segment that SegOps syncs to another system.

    Attributes:
        id: The id.
        segment: The id of the segment.
        connector_type: The other system, such as "klaviyo".
        status: Whether it is in use, or failing.
        config: The settings of the connector; secrets are "***".
        last_synced_at: The last successful sync, as ISO 8601.
        last_error: The last error.
    """

    __slots__ = ()
    id: int
    segment: int
    connector_type: str
    status: ActivationStatus
    config: dict[str, Any]
    last_synced_at: str | None
    last_error: str | None


class Activations(Crud[Activation]):
    """Sync segments to other systems. A new activation is inactive until you call `update(id, status="active")`."""

    path = "/activations/"

    @endpoint("POST", "{collection}{id}/sync/")
    def sync(self, call: EndpointCall, id: Id) -> Receipt:
        """Queue a sync without waiting for it.

        Args:
            id: The id of the activation.
        """
        return call.receipt(id=id)
