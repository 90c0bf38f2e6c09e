"""Event schemas: register them, infer them from samples, and validate payloads."""

from __future__ import annotations

from typing import Any

import msgspec

from segops.emulator.bodies import Field, Name, read_fields, read_list
from segops.emulator.crud import Resource
from segops.emulator.event_schemas import Property, PropertyType, infer_properties, violations
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route
from segops.emulator.tables import Row

_PROPERTIES = dict[str, PropertyType | Property]

_MAX_SAMPLES = 500


def _normalise(_request: RequestContext, values: Row, _old: Row | None) -> Row:
    if "properties" not in values:
        return values
    properties = {
        name: each if isinstance(each, Property) else Property(each) for name, each in values["properties"].items()
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


def infer(request: RequestContext) -> ApiResponse:
    """Infer a schema for each type of the sample events. Nothing is stored."""
    events = read_list(request, "events")
    if not isinstance(events, list) or not 1 <= len(events) <= _MAX_SAMPLES:
        raise HTTPError(400, {"events": [f"Expected a list of 1 to {_MAX_SAMPLES} events."]})
    payloads: dict[str, list[dict[str, Any]]] = {}
    for index, event in enumerate(events):
        try:
            sample = msgspec.convert(event, _Sample)
        except msgspec.ValidationError as error:
            raise HTTPError(400, {"events": [f"Event {index}: {error}"]}) from None
        payloads.setdefault(sample.event_type, []).append(sample.payload or {})
    inferred = [{"event_type": name, "properties": infer_properties(found)} for name, found in payloads.items()]
    return ApiResponse(200, {**inferred[0], "schemas": inferred})


def validate(request: RequestContext) -> ApiResponse:
    """Validate a payload against the schema of its event type. Without a schema, every payload is valid."""
    body = read_fields(request, _VALIDATION)
    found = schemas.all(request, "event_type = ?", (body["event_type"],))
    properties = msgspec.convert(found[0]["properties"], dict[str, Property]) if found else {}
    errors = violations(body["payload"], properties)
    return ApiResponse(200, {"valid": not errors, "errors": errors, "has_schema": bool(found)})


_PATH = "/api/schemas/"
TABLES = (schemas.schema,)
ROUTES = (
    *schemas.routes(_PATH),
    Route("POST", f"{_PATH}infer/", SECRET, infer),
    Route("POST", f"{_PATH}validate/", SECRET, validate),
)
