"""The life of the process: clients are closed when the interpreter exits, and start afresh in a forked child."""

from __future__ import annotations

import atexit
import os
import time
from types import FrameType
from typing import Protocol

from segops.core.hosts import stops_threads, tell_of_exit, tell_of_fork
from segops.core.log import warn


class Living(Protocol):
    """What is watched."""

    @property
    def exit_timeout(self) -> float:
        """Seconds that the exit may be delayed for it."""
        ...

    def shutdown(self, timeout: float) -> bool:
        """Send what waits, and stop."""
        ...

    def after_fork(self) -> None:
        """Start afresh in the child."""


_watched: set[Living] = set()


def watch(living: Living) -> None:
    """Watch it until it is closed; it is kept alive until then, with the events that it holds."""
    if stops_threads() and not _watched:
        warn(
            "uWSGI runs without enable-threads: events are sent only while a request is served, by flush() and at exit"
        )
    _watched.add(living)


def unwatch(living: Living) -> None:
    """Watch it no longer."""
    _watched.discard(living)


def close_on_signal(number: int) -> None:
    """Have a signal, such as `signal.SIGTERM`, close all clients before it does what it has done so far.

    A signal that nobody handles ends a process without any of its exit code. Call it on the main thread, after the
    application has set a handler of its own, if it has one; a signal that is ignored stays so.

    Raises:
        ValueError: This is not the main thread, or there is no such signal.
    """
    import signal  # noqa: PLC0415 - only for those who ask for it

    before = signal.getsignal(number)

    def close(received: int, frame: FrameType | None) -> None:
        _at_exit()
        if callable(before):
            before(received, frame)
        else:
            signal.signal(received, signal.SIG_DFL)
            signal.raise_signal(received)

    if before is not signal.SIG_IGN:
        signal.signal(number, close)


@atexit.register
def _at_exit() -> None:
    """Close all that is open. They share one span of time: the exit is not delayed by the sum."""
    started = time.monotonic()
    for living in list(_watched):
        living.shutdown(max(0.0, started + living.exit_timeout - time.monotonic()))


def _after_fork_in_child() -> None:
    for living in list(_watched):
        living.after_fork()
    tell_of_exit(_at_exit)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

tell_of_exit(_at_exit)
tell_of_fork(_after_fork_in_child)
