"""A clock that moves only when a test moves it."""

from __future__ import annotations

import threading

from segops.core import Clock


class FakeClock(Clock):
    """Replaces the clocks of the machine; safe to use from any number of threads.

    Args:
        start: The Unix time in seconds at the start.
        draw: The result of `random`, at least 0 and less than 1.

    Attributes:
        sleeps: The argument of each `sleep` in seconds, in order.
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
        """Return the seconds by which the clock was advanced."""
        return self._monotonic

    def time(self) -> float:
        """Return the Unix time in seconds."""
        return self._wall

    def sleep(self, seconds: float) -> None:
        """Advance both clocks by `seconds` and return at once."""
        self.sleeps.append(seconds)
        self.advance(max(seconds, 0.0))

    def random(self) -> float:
        """Return `draw`."""
        return self.draw

    def advance(self, seconds: float) -> None:
        """Advance both clocks.

        Raises:
            ValueError: `seconds` is negative; a monotonic clock never goes back.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot advance by {seconds} s: use jump_wall to set the wall clock back")
        with self._lock:
            self._monotonic += seconds
            self._wall += seconds

    def jump_wall(self, seconds: float) -> None:
        """Move the wall clock forwards or backwards, and leave the monotonic clock alone."""
        with self._lock:
            self._wall += seconds
