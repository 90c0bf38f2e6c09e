"""Convert times to RFC 3339, the part of ISO 8601 that every server reads."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from functools import cache

import msgspec

from segops.core.retry import Clock

_RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
_ISO8601 = (
    r"(?P<day>\d{4}-?\d\d-?\d\d|\d{4}-?[Ww]\d\d-?[1-7])"
    r"([Tt ](?P<hour>\d\d)(:?(?P<minute>\d\d)(:?(?P<second>\d\d)([.,](?P<fraction>\d+))?)?)?"
    r" ?(?P<offset>[Zz]|UTC|(?P<sign>[+-])(?P<hours>\d\d)(:?(?P<minutes>[0-5]\d)(:?(?P<seconds>[0-5]\d))?)?)?)?"
)
_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern on first use: at import it takes a millisecond, which most programs never get back."""
    return re.compile(pattern, re.ASCII)


def to_rfc3339(text: str) -> str:
    """Return ISO 8601 text as RFC 3339; a time without an offset is taken as UTC.

    RFC 3339 in upper case is returned unchanged. No digit of the seconds is lost. An offset with seconds, which
    RFC 3339 does not have, becomes UTC.

    Raises:
        ValueError: The text is not a complete ISO 8601 date, or the date does not exist.
    """
    if not _compiled(_RFC3339).fullmatch(text):
        text = _rewrite(text)
    try:
        msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise ValueError("the date does not exist") from None
    return text


def has_seconds(offset: timedelta | None) -> bool:
    """Return whether an offset from UTC has seconds, for which RFC 3339 has no form."""
    return bool(offset and offset % _MINUTE)


def _rewrite(text: str) -> str:
    found = _compiled(_ISO8601).fullmatch(text)
    if not found:
        raise ValueError("it is not ISO 8601")
    hour, minute, second, fraction = (found[name] or "00" for name in ("hour", "minute", "second", "fraction"))
    fraction = f".{found['fraction']}" if found["fraction"] else ""
    moment = f"{_day(found['day'])}T{hour}:{minute}:{second}"
    if found["seconds"] not in (None, "00"):
        return f"{_in_utc(moment, found)}{fraction}Z"
    offset = f"{found['sign']}{found['hours']}:{found['minutes'] or '00'}" if found["sign"] else "Z"
    return f"{moment}{fraction}{offset}"


def _day(text: str) -> str:
    digits = text.replace("-", "").upper()
    year, _, week = digits.partition("W")
    if week:
        return date.fromisocalendar(int(year), int(week[:2]), int(week[2])).isoformat()
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _in_utc(moment: str, found: re.Match[str]) -> str:
    hours, minutes, seconds = (int(found[name]) for name in ("hours", "minutes", "seconds"))
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    try:
        local = datetime.fromisoformat(moment)
        return datetime.isoformat(local + offset if found["sign"] == "-" else local - offset)
    except OverflowError:
        raise ValueError("the date does not exist") from None


def reads_machine(clock: Clock) -> bool:
    """Return whether a clock uses the wall time of the machine."""
    return getattr(clock.time, "__func__", None) is Clock.time


def wall_time(clock: Clock) -> datetime:
    """Return the time of a clock as a datetime in UTC."""
    if reads_machine(clock):
        return datetime.now(timezone.utc)
    return _EPOCH + timedelta(seconds=clock.time())
