"""Convert values that have no JSON form into plain ones.

Payloads of plain JSON values (the common case) are encoded as they are. Anything else is first converted, each type
to the one form that docs/encoding.md lists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from segops.core.encoding import INT_MAX, INT_MIN, encode_plain, is_plain
from segops.core.errors import SegOpsEncodingError
from segops.core.events import Event
from segops.delivery.times import has_seconds, to_rfc3339

_MAX_INT_BITS = 14_000  # some 4200 digits; writing one of a million takes seconds
# A test that freezes time may have replaced a class with a subclass by the time this module is loaded.
_NATIVE = frozenset(
    next(each for each in kind.__mro__ if each.__module__ in ("datetime", "uuid"))
    for kind in (datetime, date, time, timedelta, UUID)
)
_TIMES = frozenset(kind for kind in _NATIVE if issubclass(kind, datetime | time))
_KEPT = (_NATIVE - _TIMES) | {bool, type(None)}
_DERIVED = (date, time, timedelta, UUID)
_BYTES = (bytes, bytearray, memoryview)
_MANY = (list, tuple, set, frozenset)
_PATH_STEP = 40


def encode_event(event: Event) -> tuple[bytes, int]:
    """Encode any event, and count the values that had to be coerced.

    Raises:
        SegOpsEncodingError: The payload contains a value without a JSON form, or refers to itself.
    """
    plain = _Plain()
    try:
        encoded = encode_plain(
            Event(
                plain.text(event.user_id),
                plain.text(event.event_type),
                plain.value(event.occurred_at, "occurred_at"),
                plain.mapping(event.payload, "payload"),
                None if event.anonymous_id is None else plain.text(event.anonymous_id),
            )
        )
    except RecursionError:
        raise _too_deep("payload") from None
    return encoded, plain.coerced + plain.damaged


def encode_json(value: object, name: str) -> bytes:
    """Encode any value as payloads are encoded, but refuse to change text and keys, since no ledger counts that.

    Args:
        value: What to encode.
        name: What it is, for messages: "body".

    Raises:
        SegOpsEncodingError: It holds something that has no JSON form, text with lone surrogates, keys that are equal as
            text, or None as a key; or it is nested without end.
    """
    plain, encoded = _Plain(), b""
    try:
        if is_plain({"": value}):
            return encode_plain(value)
        encoded = encode_plain(plain.value(value, name))
    except UnicodeEncodeError:
        plain.damaged += 1
    except RecursionError:
        raise _too_deep(name) from None
    except SegOpsEncodingError:
        raise
    except Exception as error:
        raise SegOpsEncodingError(f"the {name} has no JSON form: {type(error).__name__} was raised") from error
    if plain.has_none_key:
        raise SegOpsEncodingError(
            f"the {name} has None as a key: csv.DictReader keeps values beyond the header there; correct the row"
        )
    if plain.damaged:
        raise SegOpsEncodingError(f"the {name} holds text with lone surrogates, or keys that are the same as text")
    return encoded


def _too_deep(name: str) -> SegOpsEncodingError:
    return SegOpsEncodingError(f"the {name} refers to itself or is nested too deeply: send flat properties")


class _Plain:
    """Turns values into plain JSON ones and counts those that lost something.

    No `__str__` or `__repr__` of an unknown object is ever called: it may be hostile, or show what must not be sent.

    Attributes:
        coerced: Numbers and times that JSON has no form for.
        damaged: Text that lost a character, and keys that took the place of others.
        has_none_key: Whether a key was None.
    """

    def __init__(self) -> None:
        self.coerced = 0
        self.damaged = 0
        self.has_none_key = False

    def text(self, value: str) -> str:
        text = str.__str__(value)
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            self.damaged += 1
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text

    def mapping(self, value: Mapping[Any, Any], path: str) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, item in value.items():
            name = self._key(key, path)
            if name in plain:
                self.damaged += 1
            plain[name] = self.value(item, path + _step(name))
        return plain

    def value(self, value: object, path: str) -> Any:  # noqa: PLR0911 - one line for each kind of value
        kind = type(value)
        if kind in _KEPT or (kind in _TIMES and not has_seconds(value.utcoffset())):  # type: ignore[attr-defined]
            return value
        if isinstance(value, Enum):
            return self.value(value.value, path)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int):
            return self._integer(value, path)
        if isinstance(value, float):
            return self._real(value)
        if isinstance(value, Decimal):
            return self._decimal(Decimal(value))
        if isinstance(value, _DERIVED):
            return self._derived(value, path)
        if isinstance(value, _BYTES):
            from base64 import b64encode  # noqa: PLC0415 - not needed by most programs

            return b64encode(memoryview(value).tobytes()).decode()
        if isinstance(value, Mapping):
            return self.mapping(value, path)
        if isinstance(value, _MANY):
            return [self.value(item, f"{path}[{index}]") for index, item in enumerate(value)]
        return self._object(value, path)

    def _key(self, key: object, path: str) -> str:
        if type(key) is str:
            return self.text(key)
        plain = key if isinstance(key, (Mapping, *_MANY)) else self.value(key, path)
        if isinstance(plain, str):
            return plain
        self.has_none_key |= plain is None
        if plain is None or isinstance(plain, (int, float, Decimal, *_DERIVED)):
            return encode_plain(plain).decode().strip('"')
        raise SegOpsEncodingError(f"a key in {path} is of type {type(key).__name__}: use text keys")

    def _integer(self, value: int, path: str) -> int | str:
        number = int.__int__(value)
        if INT_MIN <= number <= INT_MAX:
            return number
        bits = number.bit_length()
        if bits > _MAX_INT_BITS:
            raise SegOpsEncodingError(f"{path} is an int of {bits} bits, more than {_MAX_INT_BITS}: send it as text")
        self.coerced += 1
        return format(Decimal(number), "f")

    def _real(self, value: float) -> float | None:
        if math.isfinite(value):
            return float.__float__(value)
        self.coerced += 1
        return None

    def _decimal(self, value: Decimal) -> Decimal | str | None:
        if value.is_finite() and math.isfinite(float(value)):
            return value
        self.coerced += 1
        return str(value) if value.is_finite() else None  # a number that readers take for infinite is sent as text

    def _derived(self, value: date | time | timedelta | UUID, path: str) -> Any:
        """Return the value of a subclass such as pandas, asyncpg and freezegun have; none of its methods is called."""
        if value != value:  # noqa: PLR0124 - only pandas' NaT, which is a datetime, differs from itself
            self.coerced += 1
            return None
        if isinstance(value, timedelta):
            return timedelta(value.days, value.seconds, value.microseconds)
        if isinstance(value, UUID):
            return UUID(int=value.int)
        if isinstance(value, time):
            return _zulu(time.isoformat(value))
        return _moment(value, path) if isinstance(value, datetime) else date.isoformat(value)

    def _object(self, value: object, path: str) -> Any:
        """Take apart a numpy scalar or array, a dataclass, an attrs or msgspec object, or a pydantic model."""
        kind = type(value)
        try:
            if kind.__module__ == "numpy":
                return self.value(self._from_numpy(value), path)
            if kind.__name__ == "NAType" and kind.__module__.startswith("pandas."):
                self.coerced += 1
                return None
            dump = getattr(kind, "model_dump", None)
            if dump is not None:
                return self.value(dump(value), path)
            names = _field_names(kind)
            if names is not None:
                return self.mapping({name: getattr(value, name) for name in names}, path)
        except (SegOpsEncodingError, RecursionError):
            raise
        except Exception as error:
            raise SegOpsEncodingError(
                f"{path}, of type {kind.__name__}, raised {type(error).__name__} when it was read: convert it first"
            ) from error
        raise SegOpsEncodingError(f"{path} is of type {kind.__name__}, which has no JSON form: convert it first")

    def _from_numpy(self, value: Any) -> Any:
        """Return the Python value of a numpy scalar or array: of times, whatever their unit, to the microsecond.

        Raises:
            TypeError: Python has no such type, as for longdouble.
        """
        kind = getattr(getattr(value, "dtype", None), "kind", None)
        if kind in ("m", "M"):
            value = value.astype(f"{kind}8[us]")
            self.coerced += value.ravel().tolist().count(None)  # each was a NaT
        plain = value.tolist()
        if plain.__class__ is value.__class__:
            raise TypeError(f"{type(value).__name__} has no Python type")
        return plain


def _step(name: str) -> str:
    """Return a key for an error message, or a placeholder if it may be personal data, such as an e-mail address."""
    return f".{name}" if len(name) <= _PATH_STEP and name.isidentifier() else "[…]"


def _moment(value: datetime, path: str) -> str:
    text = datetime.isoformat(value)
    try:
        return to_rfc3339(text) if has_seconds(datetime.utcoffset(value)) else _zulu(text)
    except ValueError:
        raise SegOpsEncodingError(
            f"{path} has an offset from UTC that RFC 3339 has no form for: convert it to UTC first"
        ) from None


def _zulu(text: str) -> str:
    """Write UTC as msgspec does."""
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def _field_names(kind: type) -> list[str] | None:
    if hasattr(kind, "__struct_fields__"):
        return list(kind.__struct_fields__)
    if hasattr(kind, "__dataclass_fields__"):
        from dataclasses import fields  # noqa: PLC0415 - loaded already if there is a dataclass

        return [field.name for field in fields(kind)]
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else [attribute.name for attribute in attributes]
