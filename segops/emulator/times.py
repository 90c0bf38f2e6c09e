"""Times as UTC text of one fixed width, so that text order is time order."""

from __future__ import annotations

from datetime import date, datetime, timezone

import msgspec


def from_unix(seconds: float) -> str:
    """Return unix seconds as "2027-01-05T09:30:00.123456Z"."""
    return _text(datetime.fromtimestamp(seconds, timezone.utc))


def whole_second(seconds: float) -> str:
    """Return unix seconds, rounded down, as "2027-01-05T09:30:00Z"."""
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_text(text: str) -> str:
    """Return ISO 8601 text in the same form as `from_unix`; a time without an offset is UTC.

    Raises:
        ValueError: It is not a date and time, or lies outside the years 1 to 9999.
    """
    try:
        return _text(_parse(text))
    except (OverflowError, ValueError):
        raise ValueError("Datetime has wrong format. Use ISO 8601, such as 2027-01-05T09:30:00Z.") from None


def _parse(text: str) -> datetime:
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:  # RFC 3339 is what clients send; ISO 8601 allows more
        pass
    try:
        return datetime.combine(msgspec.convert(text, date), datetime.min.time())
    except msgspec.ValidationError:
        return datetime.fromisoformat(text)


def _text(moment: datetime) -> str:
    if moment.tzinfo is not None and moment.tzinfo is not timezone.utc:
        moment = moment.astimezone(timezone.utc)
    return moment.isoformat(timespec="microseconds")[:26] + "Z"
