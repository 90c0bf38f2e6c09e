"""Schemas of events: registered, inferred from samples, and used to validate payloads.

Source: wire-protocol.md, section 6.4.
"""

from __future__ import annotations

from typing import Any

import msgspec

from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.resources.bodies import Field, Name, read_fields, read_list
from segops.emulator.resources.crud import Resource, Row
from segops.emulator.schema_check import Property, PropertyType, infer_properties, violations

_PROPERTIES = dict[str, PropertyType | Property]

_MAX_SAMPLES = 500


def _normalise(_call: Call, values: Row, _old: Row | None) -> Row:
    if "properties" not in values:
        return values
    properties = {
        name: given if isinstance(given, Property) else Property(given) for name, given in values["properties"].items()
    }
    return {**values, "properties": properties}


schemas = Resource(
    "event_schemas",
    {
        "event_type": Field(Name),
        "properties": Field(_PROPERTIES, {}, json=True),
    },
    unique="event_type",
    check=_normalise,
)

_VALIDATION = {"event_type": Field(Name), "payload": Field(dict[str, Any])}


class _Sample(msgspec.Struct, forbid_unknown_fields=True):
    event_type: Name
    payload: dict[str, Any] | None = None
    user_id: Any = None
    occurred_at: Any = None
    anonymous_id: Any = None


def infer(call: Call) -> Answer:
    """Infer a schema from sample events, one for each type of event; nothing is stored."""
    events = read_list(call, "events")
    if not isinstance(events, list) or not 1 <= len(events) <= _MAX_SAMPLES:
        raise invalid({"events": [f"Expected a list of 1 to {_MAX_SAMPLES} events."]})
    payloads: dict[str, list[dict[str, Any]]] = {}
    for index, event in enumerate(events):
        try:
            sample = msgspec.convert(event, _Sample)
        except msgspec.ValidationError as error:
            raise invalid({"events": [f"Event {index}: {error}"]}) from None
        payloads.setdefault(sample.event_type, []).append(sample.payload or {})
    inferred = [{"event_type": name, "properties": infer_properties(found)} for name, found in payloads.items()]
    return Answer(200, {**inferred[0], "schemas": inferred})


def validate(call: Call) -> Answer:
    """Tell whether a payload is what the schema of its event type allows; without a schema, everything is."""
    given = read_fields(call, _VALIDATION)
    found = schemas.all(call, "event_type = ?", (given["event_type"],))
    properties = msgspec.convert(found[0]["properties"], dict[str, Property]) if found else {}
    errors = violations(given["payload"], properties)
    return Answer(200, {"valid": not errors, "errors": errors, "has_schema": bool(found)})
