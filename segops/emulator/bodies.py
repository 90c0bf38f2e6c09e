"""Read and validate JSON request bodies field by field, so that each error names its field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec.inspect import BoolType, BytesType, FloatType, IntType, Type, type_info

from segops.emulator.responses import HTTPError
from segops.emulator.routing import RequestContext
from segops.emulator.unknown_fields import reject_unknown_fields, unknown_field_errors

MAX_DEPTH = 64
"""How deeply lists and objects may be nested."""

REQUIRED = msgspec.UNSET
"""The default of a field that must be present."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Number = Annotated[int, msgspec.Meta(ge=1, le=10**18)]

Errors = dict[str, list[str]]
T = TypeVar("T")

_AFFINITIES: dict[type[Type], str] = {
    BoolType: "INTEGER",
    BytesType: "BLOB",
    FloatType: "REAL",
    IntType: "INTEGER",
}

_any = msgspec.json.Decoder(strict=True)

# Most bodies contain no such number, so they are not parsed twice.
_MAYBE_TOO_LARGE = re.compile(r"[0-9]{300}|[0-9][eE]\+?[0-9]{3}", re.ASCII)


class Field(msgspec.Struct, frozen=True):
    """A field of a resource, which is also a column of its table.

    Attributes:
        type: The type that msgspec converts the JSON value to.
        default: The value of an absent field, or `REQUIRED`.
        read_only: Whether only the service writes it.
        json: Whether the column holds the value as JSON text.
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

    def column(self) -> str:
        """Return the SQL type and constraints of the column."""
        affinity = "TEXT" if self.json else _AFFINITIES.get(type(type_info(self.type)), "TEXT")
        if self.default is REQUIRED:
            return affinity if self.read_only else f"{affinity} NOT NULL"
        if self.default is None and not self.json:
            return affinity
        default = self.dump(self.default)
        literal = str(int(default)) if affinity == "INTEGER" else "'{}'".format(default.replace("'", "''"))
        return f"{affinity} NOT NULL DEFAULT {literal}"


Fields = Mapping[str, Field]


def parse(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a JSON body.

    Raises:
        HTTPError: 400; the body is not UTF-8, not JSON, or nested too deeply.
        msgspec.ValidationError: The JSON does not have the type of the decoder.
    """
    try:
        body.decode()  # msgspec does not check the strings in a Raw
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPError(400, f"JSON parse error - {error}") from None
    except RecursionError:
        raise HTTPError(400, "JSON parse error - nested too deeply") from None
    except ValueError:  # Python limits the number of digits of an int to about 4,300
        raise HTTPError(400, "JSON parse error - number out of range") from None


def read_json(request: RequestContext) -> Any:
    """Return the JSON body.

    Raises:
        HTTPError: 400; the body is not JSON, is nested too deeply, or contains a number that a float cannot hold.
    """
    try:
        value = parse(request.body, _any)
        _check_numbers(request.body.decode())
    except (msgspec.ValidationError, ValueError) as error:
        raise HTTPError(400, f"JSON parse error - {error}") from None
    if _is_deeper(value, MAX_DEPTH):
        raise HTTPError(400, "JSON parse error - nested too deeply")
    return value


def read_object(request: RequestContext, *, optional: bool = False) -> dict[str, Any]:
    """Return the JSON object in the body. If `optional`, an empty body counts as an empty object.

    Raises:
        HTTPError: 400; the body is not a JSON object.
    """
    if optional and not request.body:
        return {}
    value = read_json(request)
    if not isinstance(value, dict):
        raise HTTPError(400, f"Invalid data. Expected an object, but got {type(value).__name__}.")
    return value


def read_list(request: RequestContext, name: str) -> Any:
    """Return the only field of a body, which should be a list, or None if it is absent.

    Raises:
        HTTPError: 400; the body is not a JSON object or has other fields.
    """
    body = read_object(request)
    reject_unknown_fields(body, {name})
    return body.get(name)


def read_fields(
    request: RequestContext,
    fields: Fields,
    *,
    partial: bool = False,
    optional: bool = False,
    ignored: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Return the values of fields in the body. Read-only fields are ignored, so that a record can be sent back.

    Args:
        request: The request.
        fields: The fields that the body may have.
        partial: Whether absent fields stay absent instead of taking their default.
        optional: Whether the body may be empty.
        ignored: Names of further fields to ignore.

    Raises:
        HTTPError: 400, with the errors of each field.
    """
    body = read_object(request, optional=optional)
    values, errors = check_fields(body, fields, partial=partial)
    errors |= unknown_field_errors(body, fields.keys() | ignored)
    if errors:
        raise HTTPError(400, errors)
    return values


def read_nothing(request: RequestContext) -> None:
    """Check that the body is empty or an empty object.

    Raises:
        HTTPError: 400; the body has fields, which would have no effect.
    """
    read_fields(request, {}, optional=True)


def check_fields(body: Mapping[str, Any], fields: Fields, *, partial: bool = False) -> tuple[dict[str, Any], Errors]:
    """Return the valid values, and the errors of the other fields."""
    values: dict[str, Any] = {}
    errors: Errors = {}
    for name, field in fields.items():
        if field.read_only:
            continue
        if name in body:
            try:
                values[name] = msgspec.convert(body[name], field.type)
            except msgspec.ValidationError as error:
                errors[name] = [str(error)]
        elif not partial:
            if field.default is REQUIRED:
                errors[name] = ["This field is required."]
            else:
                values[name] = field.default
    return values, errors


def _check_numbers(text: str) -> None:
    """Reject numbers that a 64-bit float cannot hold, as JSON parsers of other languages do."""
    if not _MAYBE_TOO_LARGE.search(text):
        return
    try:
        json.loads(text, parse_int=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError("Nested too deeply.") from None


def _finite(digits: str) -> None:
    if not math.isfinite(float(digits)):
        raise ValueError(f"Number out of range: {digits[:20]}…")


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [inner for outer in level if isinstance(outer, (list, dict)) for inner in _inner(outer)]
        if not level:
            return False
    return any(isinstance(each, (list, dict)) for each in level)


def _inner(outer: list[Any] | dict[str, Any]) -> list[Any]:
    return list(outer.values()) if isinstance(outer, dict) else outer
