"""JSON bodies of requests, read field by field, so that each complaint can name its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from segops.emulator.answers import invalid, refuse
from segops.emulator.call import Call
from segops.emulator.parsing import check_numbers, parse
from segops.emulator.strictness import refuse_unknown, unknown_errors

MAX_DEPTH = 64
"""How many lists and objects may lie within each other."""

REQUIRED = msgspec.UNSET
"""The default of a field that has none."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Number = Annotated[int, msgspec.Meta(ge=1, le=10**18)]

Errors = dict[str, list[str]]

_any = msgspec.json.Decoder(strict=True)


class Field(msgspec.Struct, frozen=True):
    """One field of a resource, which is also a column of its table.

    Attributes:
        type: What msgspec converts the JSON value to.
        default: The value of an absent field; `REQUIRED` if it may not be absent.
        read_only: Whether only the service writes it.
        json: Whether the column holds the JSON text of the value.
    """

    type: Any
    default: Any = REQUIRED
    read_only: bool = False
    json: bool = False

    def load(self, stored: Any) -> Any:
        """Return the JSON value of what the column holds."""
        if self.json:
            return msgspec.json.decode(stored)
        return bool(stored) if self.type is bool else stored

    def dump(self, value: Any) -> Any:
        """Return what the column holds for a value."""
        return msgspec.json.encode(value).decode() if self.json else value


Fields = Mapping[str, Field]


def read_json(call: Call) -> Any:
    """Return the JSON body.

    Raises:
        Refusal: 400; it is not JSON, or nested too deeply.
    """
    try:
        value = parse(call.body, _any)
        check_numbers(call.body.decode())
    except (msgspec.ValidationError, ValueError) as error:  # a number beyond what a float can hold
        raise refuse(400, f"JSON parse error - {error}") from None
    if _is_deeper(value, MAX_DEPTH):
        raise refuse(400, "JSON parse error - nested too deeply")
    return value


def read_object(call: Call, *, optional: bool = False) -> dict[str, Any]:
    """Return the JSON object that the body is; an empty one for no body at all, if that is allowed.

    Raises:
        Refusal: 400; it is something else.
    """
    if optional and not call.body:
        return {}
    value = read_json(call)
    if not isinstance(value, dict):
        raise refuse(400, f"Invalid data. Expected an object, but got {type(value).__name__}.")
    return value


def read_list(call: Call, name: str) -> Any:
    """Return the one field that a body has, which should be a list; None if it is not there.

    Raises:
        Refusal: 400; it is no object, or has other fields.
    """
    given = read_object(call)
    refuse_unknown(given, {name})
    return given.get(name)


def read_fields(
    call: Call, fields: Fields, *, partial: bool = False, optional: bool = False, also: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the values that a body gives for some fields; read-only ones are ignored, as they may be sent back.

    Args:
        call: The request.
        fields: What may be given.
        partial: Whether absent fields stay absent, instead of taking their default.
        optional: Whether there may be no body at all.
        also: Names that are ignored, too.

    Raises:
        Refusal: 400, with what is wrong with each field.
    """
    given = read_object(call, optional=optional)
    values, errors = check_fields(given, fields, partial=partial)
    errors |= unknown_errors(given, fields.keys() | also)
    if errors:
        raise invalid(errors)
    return values


def read_nothing(call: Call) -> None:
    """Check that a body gives nothing: it is empty, or an empty object.

    Raises:
        Refusal: 400; it gives something, which would change nothing.
    """
    read_fields(call, {}, optional=True)


def check_fields(given: Mapping[str, Any], fields: Fields, *, partial: bool = False) -> tuple[dict[str, Any], Errors]:
    """Return the good values, and what is wrong with the others."""
    values: dict[str, Any] = {}
    errors: Errors = {}
    for name, field in fields.items():
        if field.read_only:
            continue
        if name in given:
            try:
                values[name] = msgspec.convert(given[name], field.type)
            except msgspec.ValidationError as error:
                errors[name] = [str(error)]
        elif not partial:
            if field.default is REQUIRED:
                errors[name] = ["This field is required."]
            else:
                values[name] = field.default
    return values, errors


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [inner for outer in level if isinstance(outer, (list, dict)) for inner in _inner(outer)]
        if not level:
            return False
    return any(isinstance(each, (list, dict)) for each in level)


def _inner(outer: list[Any] | dict[str, Any]) -> list[Any]:
    return list(outer.values()) if isinstance(outer, dict) else outer
