"""Decide what to do about a failed request, and when to retry it. No I/O."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Literal

import msgspec

from segops.core.errors import SegOpsApiError, SegOpsConfigError

_SECONDS = r"(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?[ \t]*"
_MAX_DIGITS = 12
monotonic: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else partial(time.monotonic)
)
"""Return seconds that never go back. They advance even if a test freezes `time.monotonic`, so that waits end."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How to retry failed requests.

    Attributes:
        base: Seconds; the first delay is random between 0 and this, and the range doubles with each retry.
        cap: Seconds; the maximum of the range, and the interval of probes while delivery is paused.
        budget: Retries allowed per successful request, beyond the floor.
        floor: Retries allowed at the start.
        max_retry_after: Seconds; the maximum for `Retry-After`.

    Source: docs/reliability.md.
    """

    base: float = 0.5
    cap: float = 30.0
    budget: float = 0.1
    floor: float = 10.0
    max_retry_after: float = 300.0


class Clock:
    """The clocks of the machine, which tests replace.

    `monotonic` measures delays; `time` is compared with the time of servers.
    """

    def monotonic(self) -> float:
        """Return seconds that never go back, even if a test freezes time."""
        return monotonic()

    def time(self) -> float:
        """Return the unix time of this machine."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def random(self) -> float:
        """Return a random number from 0 up to, but not including, 1."""
        return int.from_bytes(os.urandom(6), "big") / 2**48


class Backoff:
    """The retry delays of one client: exponential with full jitter, within a budget over all its requests.

    A client has one backoff and sends nothing while it waits, so that a failing server sees one probe per delay.
    """

    def __init__(self, policy: RetryPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._tokens = policy.floor
        self._failures = 0

    def succeeded(self) -> None:
        """Record a successful request."""
        self._failures = 0
        self._tokens = min(self._policy.floor, self._tokens + self._policy.budget)

    def failed(self, retry_after: float | None) -> float:
        """Record a failed request and return the seconds to wait before the next one.

        Args:
            retry_after: The `Retry-After` of the server in seconds, or None.
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
    """Parse `Retry-After` as seconds from now, not yet clamped; None if it is missing or invalid.

    Accepts both forms of RFC 9110, section 10.2.3: seconds, and an HTTP date in any of its three formats. Some servers
    send fractions, which are rounded up, or several values, of which the first counts. A date is compared with the
    `Date` of the response if there is one, so that a wrong local clock does not matter.

    Args:
        headers: The headers of the response, names in lower case.
        now: The local unix time.
    """
    first, _, rest = headers.get("retry-after", "").strip(" \t,").partition(",")
    if number := re.fullmatch(_SECONDS, first):
        whole, fraction = number.groups("")
        return float((whole.lstrip("0") or "0")[:_MAX_DIGITS]) + bool(fraction.strip("0"))
    asked = http_date(first)
    if asked is None:  # two of the three formats have a comma after the weekday
        asked = http_date(f"{first},{rest.partition(',')[0]}")
    if asked is None:
        return None
    here = http_date(headers.get("date", ""))
    return asked - (now if here is None else here)


def http_date(value: str) -> float | None:
    """Parse an HTTP date in any of its three formats as unix seconds; None if it is invalid."""
    from email.utils import mktime_tz, parsedate_tz  # noqa: PLC0415 - slow to load, and rarely needed

    if value.count(":") != 2:  # noqa: PLR2004 - each of the three spellings has hh:mm:ss; the parser takes less
        return None
    try:
        parsed = parsedate_tz(value)
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


class Action(Enum):
    """What to do about the outcome of a request."""

    ACCEPT = "accept"
    """The request succeeded."""

    RETRY = "retry"
    """Send it again after a delay: the cause is likely to pass."""

    SPLIT = "split"
    """Halve the batch until only the event that the server rejects is dropped."""

    HOLD = "hold"
    """Keep the events and probe slowly: someone has to fix the URL, the key, or the server."""

    RAISE = "raise"
    """Raise the error to the caller at once."""


Failure = Literal["no response", "untrusted certificate", "wrong configuration"]
"""How a request ends without a status."""


class Outcome(msgspec.Struct, frozen=True):
    """What an outcome means for a batch of events, and for an admin call.

    Attributes:
        name: The outcome as the documentation calls it.
        matches: The statuses, or the failure.
        events: What to do about a batch of events.
        admin: What to do about an admin call.
        reason: Why they differ, or why they are the same.
    """

    name: str
    matches: range | tuple[int, ...] | tuple[Failure, ...]
    events: Action
    admin: Action
    reason: str


OUTCOMES = (
    Outcome("2xx", range(200, 300), Action.ACCEPT, Action.ACCEPT, "the server has processed the request"),
    Outcome(
        "400, 413, 422",
        (400, 413, 422),
        Action.SPLIT,
        Action.RAISE,
        "one bad event must not cost the rest of its batch; an admin call is a single operation",
    ),
    Outcome(
        "408, 425",
        (408, 425),
        Action.RETRY,
        Action.RAISE,
        "a batch may be sent again at any time; the admin documentation limits retries to 429, 5xx and network errors",
    ),
    Outcome("429", (429,), Action.RETRY, Action.RETRY, "the limit passes; `Retry-After` says when"),
    Outcome(
        "501, 505",
        (501, 505),
        Action.HOLD,
        Action.RETRY,
        "no retry cures them, so events wait; the admin documentation retries every 5xx, at most `max_retries` times",
    ),
    Outcome("other 5xx", range(500, 600), Action.RETRY, Action.RETRY, "the server is expected to recover"),
    Outcome(
        "no response",
        ("no response",),
        Action.RETRY,
        Action.RETRY,
        "the network or the server is expected to recover",
    ),
    Outcome(
        "untrusted certificate",
        ("untrusted certificate",),
        Action.HOLD,
        Action.RETRY,
        "someone has to fix the certificate, so events wait; for an admin call it is a network error like any other",
    ),
    Outcome(
        "wrong configuration",
        ("wrong configuration",),
        Action.HOLD,
        Action.RAISE,
        "someone has to change what the transport needs, such as a permission of a broker, so events wait",
    ),
    Outcome(
        "401, 403",
        (401, 403),
        Action.HOLD,
        Action.RAISE,
        "the key needs fixing; with a public key, the client first tries once more with a new session token",
    ),
    Outcome(
        "any other status",
        (),
        Action.HOLD,
        Action.RAISE,
        "the URL or the server needs fixing; events wait for that, and an admin call can be corrected by its caller",
    ),
)
"""What each outcome means; the first row that matches counts, and the last one matches everything.

Source: docs/reliability.md, "What each response means"; Admin SDK, "Errors, retries, idempotency".
"""


def event_action(result: int | Failure | Exception) -> Action:
    """Return what to do about a batch of events.

    Args:
        result: The status of the response, or how the request failed: the failure, or its error.
    """
    return _outcome(result).events


def admin_action(result: int | Failure | Exception) -> Action:
    """Return what to do about an admin call.

    Args:
        result: The status of the response, or how the request failed: the failure, or its error.
    """
    return _outcome(result).admin


def _outcome(result: int | Failure | Exception) -> Outcome:
    match = _classify(result) if isinstance(result, Exception) else result
    return next((row for row in OUTCOMES if match in row.matches), OUTCOMES[-1])


def _classify(error: Exception) -> int | Failure:
    if isinstance(error, SegOpsApiError):
        return error.status
    if isinstance(error, SegOpsConfigError):
        return "wrong configuration"
    ssl = sys.modules.get("ssl")  # while it is not loaded, no certificate has been checked
    is_untrusted = ssl is not None and isinstance(error.__cause__, ssl.SSLCertVerificationError)
    return "untrusted certificate" if is_untrusted else "no response"
