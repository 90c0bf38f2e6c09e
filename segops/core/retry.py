"""When to try again: values in, delays out, no I/O."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from functools import partial

import msgspec

_SECONDS = re.compile(r"(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?[ \t]*")
_MAX_DIGITS = 12
monotonic: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else partial(time.monotonic)
)
"""Return seconds that never go back. They pass although a test has frozen `time.monotonic`: a wait must end."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How failed requests are repeated.

    Attributes:
        base: Seconds; the first delay is drawn from 0 to this, each further one from twice the range before.
        cap: Seconds; no range grows beyond, and a paused delivery probes this often.
        budget: Retries allowed per request that is not a retry, past the floor.
        floor: Retries that are always allowed at first.
        max_retry_after: Seconds; a longer `Retry-After` is cut to this.

    Source: fault-matrix.md, section 1, "Retries cannot amplify an outage".
    """

    base: float = 0.5
    cap: float = 30.0
    budget: float = 0.1
    floor: float = 10.0
    max_retry_after: float = 300.0


class Clock:
    """The clocks of the machine; tests inject another one.

    `monotonic` measures waiting, `time` is compared with what servers say.
    """

    def monotonic(self) -> float:
        """Return seconds that never go back; they pass although a test has frozen time."""
        return monotonic()

    def time(self) -> float:
        """Return unix seconds, as far as this machine knows them."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def random(self) -> float:
        """Return a number from 0 up to, but not including, 1."""
        return int.from_bytes(os.urandom(6), "big") / 2**48


def reads_machine(clock: Clock) -> bool:
    """Tell whether a clock has the wall time of the machine."""
    return getattr(clock.time, "__func__", None) is Clock.time


def wall_time(clock: Clock) -> datetime:
    """Return the time of a clock as a datetime in UTC."""
    if reads_machine(clock):
        return datetime.now(timezone.utc)
    return _EPOCH + timedelta(seconds=clock.time())


class Backoff:
    """The delays of one client: exponential with full jitter, and a budget over all its requests.

    One client has one: while it waits, nothing is sent, so that a server in trouble sees a single probe per delay.
    """

    def __init__(self, policy: RetryPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._tokens = policy.floor
        self._failures = 0

    def succeeded(self) -> None:
        """Note a request that the server answered."""
        self._failures = 0
        self._tokens = min(self._policy.floor, self._tokens + self._policy.budget)

    def failed(self, retry_after: float | None) -> float:
        """Note a failed request and return the seconds to wait before the next one.

        Args:
            retry_after: What the server asked for, in seconds, or None.
        """
        self._failures += 1
        if retry_after is None:
            reach = min(self._policy.cap, self._policy.base * 2.0 ** min(self._failures - 1, 60))
            delay = reach * self._clock.random()
        else:
            delay = min(max(retry_after, 0.0), self._policy.max_retry_after)
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return delay
        return max(delay, self._policy.cap)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read `Retry-After` as seconds from now, not yet clamped; None if it is absent or unreadable.

    Both forms of RFC 9110, section 10.2.3, are read: seconds, and an HTTP date in any of its three spellings. Servers
    and gateways also send fractions, which are rounded up, and several values, of which the first counts.
    A date is compared with the response's own `Date` where there is one, so that a wrong local clock does no harm.

    Args:
        headers: The response's headers, names in lower case.
        now: The unix time here.
    """
    first, _, rest = headers.get("retry-after", "").strip(" \t,").partition(",")
    if number := _SECONDS.fullmatch(first):
        whole, fraction = number.groups("")
        return float((whole.lstrip("0") or "0")[:_MAX_DIGITS]) + bool(fraction.strip("0"))
    asked = http_date(first)
    if asked is None:  # two of the three spellings have a comma after the day of the week
        asked = http_date(f"{first},{rest.partition(',')[0]}")
    if asked is None:
        return None
    here = http_date(headers.get("date", ""))
    return asked - (now if here is None else here)


def http_date(value: str) -> float | None:
    """Read an HTTP date in any of its three spellings as unix seconds; None if it is unreadable."""
    from email.utils import mktime_tz, parsedate_tz  # noqa: PLC0415 - slow to load, and rarely needed

    if value.count(":") != 2:  # noqa: PLR2004 - each of the three spellings has hh:mm:ss; the parser takes less
        return None
    try:
        parsed = parsedate_tz(value)
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


class Verdict(Enum):
    """What to do after an answer."""

    DELIVERED = "delivered"
    SPLIT = "split"
    RETRY = "retry"
    HOLD = "hold"


def verdict(status: int) -> Verdict:
    """Tell what an answer to a batch means, by its status."""
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        return Verdict.DELIVERED
    if status in (400, 413, 422):
        return Verdict.SPLIT
    if status in (408, 425, 429) or (500 <= status < 600 and status not in (501, 505)):  # noqa: PLR2004 - server errors
        return Verdict.RETRY
    return Verdict.HOLD
