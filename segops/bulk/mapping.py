"""Read records in shapes of others: exports of known products, and mappings that the user writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any, Literal, get_args

import msgspec

from segops import Event, SegOpsConfigError, SegOpsEventError
from segops.bulk.products import PRODUCTS, Product
from segops.delivery import as_event_error
from segops.utils import nearest

Field = Literal["user_id", "event_type", "occurred_at", "payload", "anonymous_id"]

FIELDS: tuple[Field, ...] = get_args(Field)
_SPELLINGS = {
    "user_id": "userId",
    "event_type": "eventType",
    "occurred_at": "occurredAt",
    "anonymous_id": "anonymousId",
}
_REST = "*"
_HELP = 'write FIELD=KEY, such as user_id=customer.id, payload=* or event_type="signed_up"'

_LARGEST = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""Unix times below each of these are in seconds, milliseconds, microseconds, and nanoseconds."""


class Source(msgspec.Struct, frozen=True):
    """Where the value of a field comes from.

    Attributes:
        paths: Keys to look at, in this order; each is a key, and the keys in the objects below it.
        constant: The value itself, if `paths` is empty.
        is_rest: Whether it is an object of all keys that no other field takes.
    """

    paths: tuple[tuple[str, ...], ...] = ()
    constant: str | None = None
    is_rest: bool = False

    def top_keys(self) -> set[str]:
        """Return the keys of a record that it takes."""
        return {key for path in self.paths for key in (path[0], ".".join(path))}

    def read(self, record: Mapping[str, Any]) -> Any:
        """Return the value in a record; None if there is none."""
        for path in self.paths:
            value = _follow(record, path)
            if value is not None and value != "":
                return value
        return self.constant


class RecordMapping:
    """A mapping from records of another shape to events.

    Args:
        product: The product whose records they are; None for any other shape.
        fields: Where fields come from; they replace those of the product. A field of the payload is "payload.NAME".

    Attributes:
        unmapped: How often each key was in a record that nothing takes.
    """

    def __init__(self, product: Product | None = None, fields: Mapping[str, Source] | None = None) -> None:
        self.unmapped: Counter[str] = Counter()
        self._product = product
        self._fields = dict(fields or {})
        if product is None:
            for name in FIELDS:
                if not any(given == name or given.startswith(f"{name}.") for given in self._fields):
                    own = [name] if name not in _SPELLINGS else [name, _SPELLINGS[name]]
                    self._fields[name] = Source(tuple((key,) for key in own))
        self._taken = {key for source in self._fields.values() for key in source.top_keys()}
        self._has_rest = any(source.is_rest for source in self._fields.values())

    @classmethod
    def parse(cls, words: Sequence[str]) -> RecordMapping:
        """Return the mapping that words describe.

        Args:
            words: The name of a product, and any number of "FIELD=SOURCE". A source is a key of the record, with dots
                for keys below it and "|" between alternatives; text in double quotes; or "*".

        Raises:
            SegOpsConfigError: A word is neither.
        """
        product: Product | None = None
        fields: dict[str, Source] = {}
        for word in words:
            name, equals, source = word.partition("=")
            if not equals:
                if product is not None:
                    raise SegOpsConfigError(f"two products to map from, {product.name} and {word}: name one")
                product = _find_product(name)
                continue
            _check_field(name, word)
            if name in fields:
                raise SegOpsConfigError(f"{name} is mapped twice: remove {word!r}")
            fields[name] = _parse_source(source, word)
            if fields[name].is_rest and name != "payload":
                raise SegOpsConfigError(f"{word!r}: only the payload can be the rest: write payload=*")
        return cls(product, fields)

    def missing(self, name: Field, columns: Collection[str]) -> list[str]:
        """Return the keys that a field comes from, if there is a column for none of them."""
        source = self._fields.get(name)
        if source is None or any(path[0] in columns or ".".join(path) in columns for path in source.paths):
            return []
        return [".".join(path) for path in source.paths]

    def event(self, record: Mapping[str, Any], ignored: Collection[str] = frozenset()) -> Event:
        """Return the event of a record.

        Args:
            record: The record.
            ignored: Keys that are not reported as unmapped.

        Raises:
            SegOpsEventError: The record has no event.
        """
        try:
            return self._event(dict(record), ignored)
        except Exception as error:  # noqa: BLE001 - records may have any shape
            raise as_event_error(error) from error.__cause__

    def _event(self, rest: dict[str, Any], ignored: Collection[str]) -> Event:
        record = dict(rest)
        values: dict[str, Any] = {} if self._product is None else self._product.read(rest)
        for key in self._taken:
            rest.pop(key, None)
        rest = {key: value for key, value in rest.items() if value is not None and key not in ignored}
        if not self._has_rest:
            self.unmapped.update(rest.keys())
        parts: dict[str, Any] = {}
        for name, source in self._fields.items():
            value = rest if source.is_rest else source.read(record)
            if name.startswith("payload."):
                parts[name.removeprefix("payload.")] = value
            elif value is not None:
                values[name] = value
        return _as_event(values, {key: value for key, value in parts.items() if value is not None})


def _as_event(values: Mapping[str, Any], parts: Mapping[str, Any]) -> Event:
    payload = values.get("payload") or {}
    if isinstance(payload, str):
        payload = _decode(payload)
    if parts and isinstance(payload, Mapping):
        payload = {**payload, **parts}
    anonymous_id = values.get("anonymous_id")
    return Event(
        _as_id(values.get("user_id")),
        values.get("event_type"),  # type: ignore[arg-type]  # it is checked with the others
        _as_time(values.get("occurred_at")),
        payload,
        None if anonymous_id is None else _as_id(anonymous_id),
    )


def _as_id(value: Any) -> Any:
    """Return an id as text: other products, and columns of numbers, have whole numbers as ids."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _as_time(value: Any) -> Any:
    """Return a unix time as a datetime, and a date as its first moment in UTC."""
    if isinstance(value, str) and value.replace(".", "", 1).isdigit():
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        for limit, divisor in _LARGEST:
            if 0 <= value < limit:
                return datetime.fromtimestamp(value / divisor, timezone.utc)
        raise SegOpsEventError("occurred_at is a number, but not a unix time: map a time")
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    return value


def _decode(text: str) -> Any:
    """Return the JSON in a column of text, as warehouses have it."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise SegOpsEventError("the payload is text that is not JSON: map a key whose value is an object") from None


def _follow(record: Any, path: Sequence[str]) -> Any:
    """Return the value at a path; a key with dots in its name is found, too."""
    if isinstance(record, Mapping) and (whole := record.get(".".join(path))) is not None:
        return whole
    for key in path:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def _find_product(name: str) -> Product:
    found = PRODUCTS.get(name.lower())
    if found is None:
        near = nearest(name.lower(), PRODUCTS)
        hint = f"did you mean {near}?" if near else f"name one of {', '.join(PRODUCTS)}, or {_HELP}"
        raise SegOpsConfigError(f"cannot map from {name!r}: {hint}")
    return found


def _check_field(name: str, word: str) -> None:
    if name in FIELDS or (name.startswith("payload.") and name != "payload."):
        return
    near = nearest(name, FIELDS)
    hint = f"did you mean {near}?" if near else f"expected one of {', '.join(FIELDS)}, payload.NAME"
    raise SegOpsConfigError(f"unknown field {name!r} in the mapping {word!r}: {hint}")


def _parse_source(text: str, word: str) -> Source:
    if text == _REST:
        return Source(is_rest=True)
    if text.startswith('"'):
        if len(text) > 2 and text.endswith('"'):  # noqa: PLR2004 - more than the two quotes
            return Source(constant=text[1:-1])
        raise SegOpsConfigError(f"the mapping {word!r} has an unfinished or empty text: {_HELP}")
    paths = tuple(tuple(path.split(".")) for path in text.split("|"))
    if not all(key for path in paths for key in path):
        raise SegOpsConfigError(f"the mapping {word!r} has an empty key: {_HELP}")
    return Source(paths)
