"""Event schemas: what the payloads of events hold.

Source: wire-protocol.md, section 6.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.fields import EVENT, merge_fields
from segops.plugins.admin.records import Record
from segops.plugins.admin.resource import EndpointCall, endpoint


class EventSchema(Record):
    """What the payload of an event type holds.

    Attributes:
        id: Its number.
        event_type: The event type.
        properties: The fields of the payload.
    """

    __slots__ = ()
    id: int
    event_type: str
    properties: dict[str, Any]


class Schemas(Crud[EventSchema]):
    """What the payloads of events hold; events that do not fit are skipped on arrival."""

    path = "/schemas/"

    @endpoint("POST", "{collection}infer/")
    def infer(self, call: EndpointCall, events: Iterable[Mapping[str, Any]]) -> Record:
        """Suggest a schema for sample events; the fields of the answer are not documented.

        Args:
            events: Events with `event_type` and `payload`.

        Raises:
            SegOpsArgumentError: One is not a mapping, or has a field that events do not have; nothing was sent.
        """
        return call.record(
            Record, body={"events": [merge_fields(event, {}, accepted=EVENT, what="each event") for event in events]}
        )

    @endpoint("POST", "{collection}validate/")
    def validate(self, call: EndpointCall, event_type: str, payload: Mapping[str, Any]) -> Record:
        """Tell whether a payload fits the schema of its event type; the fields of the answer are not documented.

        Args:
            event_type: The event type.
            payload: The payload.
        """
        return call.record(Record, body={"event_type": event_type, "payload": payload})
