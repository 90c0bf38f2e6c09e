"""Shows how far it is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TextIO

from segops.utils import escape

_WIDTH = 30
_LINES = 4
_LINE_EVERY = 10.0


class Progress:
    """The progress of a known amount of work. Without colours, so that `NO_COLOR` is kept in any case.

    Args:
        stream: Where it is shown.
        total: Events in all.
    """

    def __init__(self, stream: TextIO, total: int) -> None:
        self._stream = stream
        self._total = total
        self._is_terminal = stream.isatty()
        self._bar = ""
        self._line = (0, time.monotonic())

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._write("\n")

    def show(self, done: int) -> None:
        """Show that `done` events are done, if that is news worth showing; more than all count as all."""
        done = min(done, self._total)
        if self._is_terminal:
            self._draw(done)
        else:
            self._print(done)

    def say(self, text: str) -> None:
        """Write a line of its own."""
        end = "\n" if self._bar else ""
        self._bar = ""
        self._write(f"{end}{escape(text)}\n")

    def _draw(self, done: int) -> None:
        filled = "#" * (_WIDTH * done // self._total)
        bar = f"  [{filled:<{_WIDTH}}] {done:,} of {self._total:,} purchases"
        if bar != self._bar:
            self._bar = bar
            self._write(f"\r{bar}")

    def _print(self, done: int) -> None:
        part, now = _LINES * done // self._total, time.monotonic()
        last, since = self._line
        if part > last or now - since > _LINE_EVERY:
            self._line = (part, now)
            self.say(f"  {done:,} of {self._total:,} purchases")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # nobody needs to look
            self._stream.write(text)
            self._stream.flush()
