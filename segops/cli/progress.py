"""Show the progress of a command on stderr."""

from __future__ import annotations

import sys
import time

from segops.cli.terminal import print_message, write_stderr

_WIDTH = 30
_REDRAW_SECONDS = 0.1
_LOG_LINES = 4
_LOG_SECONDS = 10.0


class Speed:
    """How fast something is done, and how long the rest will take.

    Args:
        done: What was done before.
    """

    def __init__(self, done: int = 0) -> None:
        self._begun_at = time.monotonic()
        self._begun_with = done

    def describe(self, done: int, total: int | None) -> str:
        """Return the units per second since the beginning and the time left, as the end of a progress bar."""
        seconds = time.monotonic() - self._begun_at
        per_second = (done - self._begun_with) / seconds if seconds > 0 else 0.0
        if per_second <= 0:
            return ""
        left = "" if total is None else f", {describe_seconds(max(0, total - done) / per_second)} left"
        return f", {per_second:,.0f}/s{left}"


def describe_seconds(seconds: float) -> str:
    """Return a duration in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class ProgressBar:
    """A progress bar on a terminal. It uses no colors, so it needs no look at `NO_COLOR`.

    Args:
        unit: What is counted, in the plural, as in "events".
        log_lines: Whether to print a line now and then where stderr is not a terminal. By default nothing is shown.
    """

    def __init__(self, unit: str, *, log_lines: bool = False) -> None:
        self._unit = unit
        self._is_terminal = sys.stderr.isatty()
        self._log_lines = log_lines and not self._is_terminal
        self._bar = ""
        self._width = 0
        self._drawn_at = 0.0
        self._logged = (0, time.monotonic())

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bar()

    def show(self, done: int, total: int | None = None, note: str = "") -> None:
        """Show that `done` of `total` units are done, and a note; call it as often as you like."""
        done = done if total is None else min(done, total)
        if self._log_lines and total:
            self._log(done, total)
        elif self._is_terminal:
            bar = f"{self._draw(done, total)}{note}"
            self._width = max(self._width, len(bar))
            self._bar = f"\r{bar:<{self._width}}"  # over a longer note
            if time.monotonic() - self._drawn_at >= _REDRAW_SECONDS:
                self._drawn_at = time.monotonic()
                write_stderr(self._bar)

    def print_message(self, message: str) -> None:
        """Print a line of its own, below the bar."""
        self._end_bar()
        print_message(message)

    def _end_bar(self) -> None:
        if self._bar:
            write_stderr(f"{self._bar}\n")
            self._bar = ""

    def _draw(self, done: int, total: int | None) -> str:
        if not total:
            return f"  {done:,} {self._unit}"
        filled = "#" * (_WIDTH * done // total)
        return f"  [{filled:<{_WIDTH}}] {done:,} of {total:,} {self._unit}"

    def _log(self, done: int, total: int) -> None:
        part, now = _LOG_LINES * done // total, time.monotonic()
        last_part, logged_at = self._logged
        if part > last_part or now - logged_at > _LOG_SECONDS:
            self._logged = (part, now)
            print_message(f"  {done:,} of {total:,} {self._unit}")
