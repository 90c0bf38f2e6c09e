"""Shows how far it is, on a terminal; elsewhere nothing is shown."""

from __future__ import annotations

import sys
import time

from segops.cli.terminal import draw

_WIDTH = 30
_INTERVAL = 0.1


class Bar:
    """A line on stderr that is written over and over. Without colours, so that `NO_COLOR` is kept in any case.

    Args:
        unit: What is counted.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._is_terminal = sys.stderr.isatty()
        self._shown_at = 0.0
        self._last = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._last:
            draw(f"{self._last}\n")

    def show(self, done: int, total: int | None = None) -> None:
        """Show that `done` of `total` are done, if a terminal looks and the last time was long enough ago."""
        if not self._is_terminal:
            return
        self._last = f"\r{self._line(done, total)}"
        if time.monotonic() - self._shown_at >= _INTERVAL:
            self._shown_at = time.monotonic()
            draw(self._last)

    def _line(self, done: int, total: int | None) -> str:
        if not total:
            return f"  {done:,} {self._unit}"
        filled = "#" * min(_WIDTH * done // total, _WIDTH)
        return f"  [{filled:<{_WIDTH}}] {done:,} of {total:,} {self._unit}"
