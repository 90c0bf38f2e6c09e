"""Faults on request: what a SegOps may do to its clients, scripted per path.

A fault is one line, such as `POST /api/ingestion/track/batch/ 503 retry-after=2 x3`:

    METHOD PATH EFFECT... [xN | x*]

METHOD may be `*` for any, and `*` in PATH stands for any text. The effects, of which at least one is needed:

    400 to 599          answer with this status; nothing is stored
    retry-after=VALUE   with a status: add this `Retry-After` header (seconds, or an HTTP date with _ for its spaces)
    delay=SECONDS       wait before anything else
    reset               reset the connection; nothing is stored
    lose                carry the request out, then reset the connection instead of answering
    skip=N              refuse the first N events of a batch
    expire              end all sessions minted so far, then go on

A fault happens once, `xN` N times, `x*` until it is cleared. Of several that fit a request, the first is taken.
Source: wire-protocol.md, section 11 (point 14).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable

import msgspec

from segops.core import SegOpsConfigError
from segops.emulator.answers import Answer
from segops.utils import ForkLock

MAX_DELAY = 300.0
"""The longest delay, in seconds."""

_TIMES = re.compile(r"x([1-9][0-9]{0,8}|\*)")
_METHOD = re.compile(r"\*|[A-Z]{1,16}")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One scripted fault.

    Attributes:
        method: The HTTP method, or "*".
        path: The path, in which "*" stands for any text.
        status: The status to answer with; None to answer as usual.
        retry_after: The `Retry-After` header of that answer.
        delay: How long to wait first, in seconds.
        reset: Whether the connection is reset before anything is stored.
        lose: Whether the connection is reset in the place of the answer.
        skip: How many events of a batch are refused.
        expire: Whether all sessions end.
        times: How often it happens; None for ever.
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
        """Return the line that says the same."""
        effects = [
            str(self.status) if self.status else "",
            f"retry-after={self.retry_after.replace(' ', '_')}" if self.retry_after is not None else "",
            f"delay={self.delay:g}" if self.delay else "",
            *(name for name in ("reset", "lose", "expire") if getattr(self, name)),
            f"skip={self.skip}" if self.skip else "",
            f"x{'*' if self.times is None else self.times}",
        ]
        return " ".join([self.method, self.path, *filter(None, effects)])

    def fits(self, method: str, path: str) -> bool:
        """Tell whether it is meant for a request; `path` is without its query."""
        return self.method in ("*", method) and _pattern(self.path).fullmatch(path) is not None

    def answer(self) -> Answer | None:
        """Return the answer that takes the place of the usual one; of status 0 if there is to be none."""
        if self.reset:
            return Answer(0, None)
        if self.status is None:
            return None
        headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
        return Answer(self.status, {"detail": f"A scripted fault: {self.status}."}, headers)


NO_FAULT = Fault(method="", path="")
"""What most requests meet."""


def parse_fault(line: str) -> Fault:
    """Read the line of a fault.

    Raises:
        SegOpsConfigError: It is none; the message says what is wrong with it.
    """
    words = line.split()
    if len(words) < 3 or not _METHOD.fullmatch(words[0]) or not words[1].startswith(("/", "*")):  # noqa: PLR2004 - method, path, effect
        raise _complaint(line, "it does not start with a method (or *), a path and an effect")
    known: dict[str, object] = {}
    for word in words[2:]:
        name, value = _effect(line, word)
        if name in known:
            raise _complaint(line, f"{word!r} says {name} a second time")
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
    raise _complaint(line, f"{word!r} is no effect")


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
        raise _complaint(line, f"it asks for {' and '.join(ends)} at once")
    if fault.retry_after is not None and fault.status is None:
        raise _complaint(line, "retry-after needs a status")
    if not (ends or fault.delay or fault.skip or fault.expire):
        raise _complaint(line, "it has no effect")


def _complaint(line: str, what: str) -> SegOpsConfigError:
    return SegOpsConfigError(
        f"cannot read the fault {line[:200]!r}: {what}; write for example "
        "'POST /api/ingestion/track/batch/ 503 retry-after=2 x3' (effects: 400 to 599, retry-after=VALUE, "
        "delay=SECONDS, reset, lose, skip=N, expire)"
    )


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, path.split("*"))), re.DOTALL)


class Faults:
    """The faults that are still to happen, in order; several threads may use it at once.

    Args:
        sleep: How a delay is waited for.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.sleep = sleep
        self._lock = ForkLock()
        self._script: list[Fault] = []

    def add(self, *lines: str) -> None:
        """Script faults after those that are still to come; all of them or, if one cannot be read, none.

        Raises:
            SegOpsConfigError: A line is no fault.
        """
        faults = [parse_fault(line) for line in lines]
        with self._lock:
            self._script += faults

    def clear(self) -> None:
        """Forget what is still to come."""
        with self._lock:
            self._script.clear()

    def pending(self) -> list[str]:
        """Return what is still to come, a line each."""
        with self._lock:
            return [str(fault) for fault in self._script]

    def take(self, method: str, path: str) -> Fault:
        """Return the fault that a request meets, and count it as happened; `NO_FAULT` if it meets none."""
        if not self._script:  # the usual case costs no lock
            return NO_FAULT
        with self._lock:
            for position, fault in enumerate(self._script):
                if fault.fits(method, path.partition("?")[0]):
                    self._count(position, fault)
                    return fault
        return NO_FAULT

    def _count(self, position: int, fault: Fault) -> None:
        if fault.times == 1:
            del self._script[position]
        elif fault.times is not None:
            self._script[position] = msgspec.structs.replace(fault, times=fault.times - 1)
