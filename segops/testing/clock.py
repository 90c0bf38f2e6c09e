"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading

from segops.core import Clock


class FakeClock(Clock):
    """Stands in for the clocks of the machine; safe for any number of threads.

    Args:
        start: The unix seconds that it begins with.
        draw: What `random` returns: 0 up to, but not including, 1.

    Attributes:
        sleeps: The seconds of each `sleep`, in order.
    """

    def __init__(self, start: float = 1_800_000_000.0, *, draw: float = 0.5) -> None:
        self.sleeps: list[float] = []
        self.draw = draw
        self._monotonic = 0.0
        self._wall = start
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Show both clocks."""
        return f"FakeClock(monotonic={self.monotonic()}, time={self.time()})"

    def monotonic(self) -> float:
        """Return the seconds since it was made, as far as it was moved."""
        return self._monotonic

    def time(self) -> float:
        """Return unix seconds."""
        return self._wall

    def sleep(self, seconds: float) -> None:
        """Return at once, with both clocks moved on by `seconds`."""
        self.sleeps.append(seconds)
        self.advance(max(seconds, 0.0))

    def random(self) -> float:
        """Return `draw`."""
        return self.draw

    def advance(self, seconds: float) -> None:
        """Move both clocks on.

        Raises:
            ValueError: `seconds` is negative: a monotonic clock never goes back.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot advance by {seconds} s: use jump_wall to set the wall clock back")
        with self._lock:
            self._monotonic += seconds
            self._wall += seconds

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock on, or back; the monotonic clock does not notice."""
        with self._lock:
            self._wall += seconds
