"""Show the progress of a command on stderr."""

from __future__ import annotations

import sys
import time

from segops.cli.terminal import print_message, write_stderr

_WIDTH = 30
_REDRAW_SECONDS = 0.1
_LOG_LINES = 4
_LOG_SECONDS = 10.0


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
        self._drawn_at = 0.0
        self._logged = (0, time.monotonic())

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bar()

    def show(self, done: int, total: int | None = None) -> None:
        """Show that `done` of `total` units are done; call it as often as you like."""
        done = done if total is None else min(done, total)
        if self._log_lines and total:
            self._log(done, total)
        elif self._is_terminal:
            self._bar = f"\r{self._draw(done, total)}"
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
