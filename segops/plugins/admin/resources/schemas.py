"""Event schemas: the payload of each event type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.fields import EVENT, merge_fields
from segops.plugins.admin.records import Record
from segops.plugins.admin.resource import EndpointCall, endpoint


class EventSchema(Record):
    """The schema of the payload of an event type.

    Attributes:
        id: The id.
        event_type: The event type.
        properties: The fields of the payload and their types.
    """

    __slots__ = ()
    id: int
    event_type: str
    properties: dict[str, Any]


class Schemas(Crud[EventSchema]):
    """Define the payload of each event type. SegOps skips events that do not match."""

    path = "/schemas/"

    @endpoint("POST", "{collection}infer/")
    def infer(self, call: EndpointCall, events: Iterable[Mapping[str, Any]]) -> Record:
        """Suggest a schema for sample events; the fields of the response are undocumented.

        Args:
            events: Events with `event_type` and `payload`.

        Raises:
            SegOpsArgumentError: An event is not a mapping, or has an unknown field; nothing was sent.
        """
        return call.record(
            Record, body={"events": [merge_fields(event, {}, allowed=EVENT, name="each event") for event in events]}
        )

    @endpoint("POST", "{collection}validate/")
    def validate(self, call: EndpointCall, event_type: str, payload: Mapping[str, Any]) -> Record:
        """Check a payload against the schema of its event type; the fields of the response are undocumented.

        Args:
            event_type: The event type.
            payload: The payload.
        """
        return call.record(Record, body={"event_type": event_type, "payload": payload})
