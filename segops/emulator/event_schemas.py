"""Validate payloads of events against schemas, and infer schemas from payloads.

The format of `properties` is described in docs/local-segops-choices.md, "Schemas".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from segops.emulator import times
from segops.emulator.database import Database

PropertyType = Literal["string", "number", "integer", "boolean", "array", "object", "datetime", "any"]


class Property(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The expected form of one property of a payload.

    Attributes:
        type: The type of its value. Optional properties may also be null.
        required: Whether it must be present.
        description: A description for readers.
    """

    type: PropertyType = "any"
    required: bool = False
    description: str = ""


class SchemaViolationError(ValueError):
    """A payload violates the schema of its event type."""


Schemas = Mapping[str, Mapping[str, Property]]

_properties = msgspec.json.Decoder(dict[str, Property])


def registered(database: Database) -> Schemas:
    """Return the registered properties by event type."""
    rows = database.query("SELECT event_type, properties FROM event_schemas")
    return {event_type: _properties.decode(properties) for event_type, properties in rows}


def violations(payload: Mapping[str, Any], properties: Mapping[str, Property]) -> dict[str, list[str]]:
    """Return the errors of each property of a payload. Unknown properties are allowed."""
    errors = {}
    for name, expected in properties.items():
        if name not in payload:
            if expected.required:
                errors[name] = ["This property is required."]
        elif not (payload[name] is None and not expected.required) and not _CHECKS[expected.type](payload[name]):
            errors[name] = [f"Expected {expected.type}."]
    return errors


def check_payload(payload: str, properties: Mapping[str, Property]) -> None:
    """Validate the JSON text of a payload.

    Raises:
        SchemaViolationError: The payload violates the schema.
        ValueError: The payload is nested too deeply to validate.
    """
    try:
        errors = violations(msgspec.json.decode(payload), properties)
    except RecursionError:
        raise ValueError("Nested too deeply.") from None
    if errors:
        listed = " ".join(f"{name}: {messages[0]}" for name, messages in errors.items())
        raise SchemaViolationError(f"The payload violates the schema of its event type. {listed}")


def infer_properties(payloads: Iterable[Mapping[str, Any]]) -> dict[str, Property]:
    """Return the narrowest property types that fit all payloads. Properties in every payload are required."""
    samples = list(payloads)
    names = dict.fromkeys(name for payload in samples for name in payload)
    return {name: _infer(name, samples) for name in names}


def _infer(name: str, payloads: list[Mapping[str, Any]]) -> Property:
    values = [payload[name] for payload in payloads if payload.get(name) is not None]
    required = len(values) == len(payloads)
    for property_type, check in _CHECKS.items():
        if values and all(map(check, values)):
            return Property(property_type, required=required)
    return Property("any", required=required)


def is_time(value: Any) -> bool:
    """Return whether a JSON value is a date or a time in ISO 8601."""
    try:
        return isinstance(value, str) and bool(times.from_text(value))
    except ValueError:
        return False


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# From narrow to wide, the order in which inference tries them.
_CHECKS: dict[PropertyType, Callable[[Any], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and value == value // 1,
    "number": is_number,
    "datetime": lambda value: is_time(value) and len(value) >= len("2027-01-05"),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "any": lambda _value: True,
}
