"""Script faults per request path, to test how clients handle them.

A fault is one line, such as `POST /api/ingestion/track/batch/ 503 retry-after=2 x3`. The syntax and the effects are
described in docs/local-segops.md, "Simulate faults".
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable

import msgspec

from segops.core import SegOpsConfigError
from segops.emulator.responses import ApiResponse
from segops.utils import ForkLock

MAX_DELAY = 300.0
"""Maximum delay, in seconds."""

_TIMES = re.compile(r"x([1-9][0-9]{0,8}|\*)")
_METHOD = re.compile(r"\*|[A-Z]{1,16}")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A scripted fault.

    Attributes:
        method: The HTTP method, or "*".
        path: The path, where "*" matches any text.
        status: The status of the response, or None for the usual response.
        retry_after: The `Retry-After` header of the response.
        delay: Seconds to wait first.
        reset: Whether the connection is reset before anything is stored.
        lose: Whether the connection is reset after the request was handled.
        skip: Number of events of a batch to reject.
        expire: Whether all sessions expire.
        times: How often it occurs, or None for always.
    """

    method: str
    path: str
    status: int | None = None
    retry_after: str | None = None
    delay: float = 0.0
    reset: bool = False
    lose: bool = False
    skip: int = 0
    expire: bool = False
    times: int | None = 1

    def __str__(self) -> str:
        """Return the line that scripts this fault."""
        effects = [
            str(self.status) if self.status else "",
            f"retry-after={self.retry_after.replace(' ', '_')}" if self.retry_after is not None else "",
            f"delay={self.delay:g}" if self.delay else "",
            *(name for name in ("reset", "lose", "expire") if getattr(self, name)),
            f"skip={self.skip}" if self.skip else "",
            f"x{'*' if self.times is None else self.times}",
        ]
        return " ".join([self.method, self.path, *filter(None, effects)])

    def matches(self, method: str, path: str) -> bool:
        """Return whether it applies to a method and a path without query."""
        return self.method in ("*", method) and _pattern(self.path).fullmatch(path) is not None

    def response(self) -> ApiResponse | None:
        """Return the response that replaces the usual one, with status 0 if the connection is reset."""
        if self.reset:
            return ApiResponse(0, None)
        if self.status is None:
            return None
        headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
        return ApiResponse(self.status, {"detail": f"Scripted fault: {self.status}."}, headers)


NO_FAULT = Fault(method="", path="")
"""The fault of most requests."""


def parse_fault(line: str) -> Fault:
    """Parse a fault.

    Raises:
        SegOpsConfigError: The line is not a fault. The message says why.
    """
    words = line.split()
    if len(words) < 3 or not _METHOD.fullmatch(words[0]) or not words[1].startswith(("/", "*")):  # noqa: PLR2004 - method, path, effect
        raise _error(line, "expected a method (or *), a path, and an effect")
    known: dict[str, object] = {}
    for word in words[2:]:
        name, value = _effect(line, word)
        if name in known:
            raise _error(line, f"{word!r} repeats {name}")
        known[name] = value
    fault = Fault(method=words[0], path=words[1], **known)  # type: ignore[arg-type] # `_effect` knows the types
    _check(line, fault)
    return fault


def _effect(line: str, word: str) -> tuple[str, object]:
    name, equals, value = word.partition("=")
    if word in ("reset", "lose", "expire"):
        return word, True
    if found := _TIMES.fullmatch(word):
        return "times", None if found[1] == "*" else int(found[1])
    if re.fullmatch(r"[45][0-9][0-9]", word, re.ASCII):
        return "status", int(word)
    if equals and value:
        if name == "retry-after" and value.isascii() and value.isprintable():
            return "retry_after", value.replace("_", " ")
        if name == "skip" and re.fullmatch(r"[1-9][0-9]{0,2}", value, re.ASCII):
            return "skip", int(value)
        if name == "delay" and (seconds := _seconds(value)) is not None:
            return "delay", seconds
    raise _error(line, f"unknown effect {word!r}")


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 < seconds <= MAX_DELAY else None


def _check(line: str, fault: Fault) -> None:
    ends = [
        name for name, is_set in (("a status", fault.status), ("reset", fault.reset), ("lose", fault.lose)) if is_set
    ]
    if len(ends) > 1:
        raise _error(line, f"cannot combine {' and '.join(ends)}")
    if fault.retry_after is not None and fault.status is None:
        raise _error(line, "retry-after requires a status")
    if not (ends or fault.delay or fault.skip or fault.expire):
        raise _error(line, "an effect is missing")


def _error(line: str, reason: str) -> SegOpsConfigError:
    return SegOpsConfigError(
        f"invalid fault {line[:200]!r}: {reason}; use the form "
        "'POST /api/ingestion/track/batch/ 503 retry-after=2 x3' (effects: 400 to 599, retry-after=VALUE, "
        "delay=SECONDS, reset, lose, skip=N, expire)"
    )


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, path.split("*"))), re.DOTALL)


class Faults:
    """A thread-safe script of pending faults, in order.

    Args:
        sleep: Waits for a number of seconds.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.sleep = sleep
        self._lock = ForkLock()
        self._script: list[Fault] = []

    def add(self, *lines: str) -> None:
        """Append faults, all of them or none.

        Raises:
            SegOpsConfigError: A line is not a fault.
        """
        faults = [parse_fault(line) for line in lines]
        with self._lock:
            self._script += faults

    def clear(self) -> None:
        """Remove all pending faults."""
        with self._lock:
            self._script.clear()

    def pending(self) -> list[str]:
        """Return the pending faults, one line each."""
        with self._lock:
            return [str(fault) for fault in self._script]

    def take(self, method: str, path: str) -> Fault:
        """Return and count the fault that applies to a request, or `NO_FAULT`."""
        if not self._script:  # the common case takes no lock
            return NO_FAULT
        with self._lock:
            for position, fault in enumerate(self._script):
                if fault.matches(method, path.partition("?")[0]):
                    self._count(position, fault)
                    return fault
        return NO_FAULT

    def _count(self, position: int, fault: Fault) -> None:
        if fault.times == 1:
            del self._script[position]
        elif fault.times is not None:
            self._script[position] = msgspec.structs.replace(fault, times=fault.times - 1)
