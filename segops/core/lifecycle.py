"""The life of the process: clients are closed when the interpreter exits, and start afresh in a forked child."""

from __future__ import annotations

import atexit
import os
import time
from typing import Protocol


class Living(Protocol):
    """What is watched."""

    @property
    def exit_timeout(self) -> float:
        """Seconds that the exit may be delayed for it."""

    def shutdown(self, timeout: float) -> bool:
        """Send what waits, and stop."""

    def after_fork(self) -> None:
        """Start afresh in the child."""


_watched: set[Living] = set()


def watch(living: Living) -> None:
    """Watch it until it is closed; it is kept alive until then, with the events that it holds."""
    _watched.add(living)


def unwatch(living: Living) -> None:
    """Watch it no longer."""
    _watched.discard(living)


@atexit.register
def _at_exit() -> None:
    """Close all that is open. They share one span of time: the exit is not delayed by the sum."""
    started = time.monotonic()
    for living in list(_watched):
        living.shutdown(max(0.0, started + living.exit_timeout - time.monotonic()))


def _after_fork_in_child() -> None:
    for living in list(_watched):
        living.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
