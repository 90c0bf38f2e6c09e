"""Format times as UTC text of fixed width, so that text order is time order."""

from __future__ import annotations

from datetime import date, datetime, timezone

import msgspec


def from_unix(seconds: float) -> str:
    """Return Unix seconds as "2027-01-05T09:30:00.123456Z"."""
    return _text(datetime.fromtimestamp(seconds, timezone.utc))


def whole_second(seconds: float) -> str:
    """Return Unix seconds, rounded down, as "2027-01-05T09:30:00Z"."""
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_text(text: str) -> str:
    """Return ISO 8601 text in the format of `from_unix`. Times without an offset are UTC.

    Raises:
        ValueError: The text is not a date and time, or lies outside the years 1 to 9999.
    """
    try:
        return _text(_parse(text))
    except (OverflowError, ValueError):
        raise ValueError("Datetime has wrong format. Use ISO 8601, such as 2027-01-05T09:30:00Z.") from None


def _parse(text: str) -> datetime:
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:  # not RFC 3339, but perhaps another form of ISO 8601
        pass
    try:
        return datetime.combine(msgspec.convert(text, date), datetime.min.time())
    except msgspec.ValidationError:
        return datetime.fromisoformat(text)


def _text(moment: datetime) -> str:
    if moment.tzinfo is not None and moment.tzinfo is not timezone.utc:
        moment = moment.astimezone(timezone.utc)
    return moment.isoformat(timespec="microseconds")[:26] + "Z"
