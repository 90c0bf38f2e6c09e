"""Show what a forwarder does: a line that is redrawn on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from segops.cli import print_message, print_status, write
from segops.forward.forwarder import Forwarder, Snapshot
from segops.utils import format_json, monotonic

_REDRAW_SECONDS = 1.0
_LINE_SECONDS = 10.0
_REPEAT_SECONDS = 60.0


class Report:
    """Shows snapshots of a forwarder now and then, and each error once a minute at most.

    Args:
        forwarder: The forwarder.
        is_json: Whether to print JSON lines on a terminal, too.
    """

    def __init__(self, forwarder: Forwarder, *, is_json: bool) -> None:
        self._forwarder = forwarder
        self._is_json = is_json or not sys.stdout.isatty()
        self._shown_at = float("-inf")
        self._delivered = 0
        self._is_line_open = False
        self._errors: dict[str, float] = {}

    def show(self, *, is_last: bool = False) -> None:
        """Show what is new, if it is time to."""
        while self._forwarder.errors:
            self._show_error(str(self._forwarder.errors.popleft()))
        now = monotonic()
        if is_last or now - self._shown_at >= (_LINE_SECONDS if self._is_json else _REDRAW_SECONDS):
            snapshot = self._forwarder.snapshot()
            rate = (snapshot.delivered - self._delivered) / max(now - self._shown_at, 0.001)
            self._shown_at, self._delivered = now, snapshot.delivered
            (_print_json if self._is_json else _redraw)(snapshot, rate)
            self._is_line_open = not self._is_json
        if is_last:
            self._end_line()

    def _show_error(self, text: str) -> None:
        now = monotonic()
        if now - self._errors.get(text, float("-inf")) >= _REPEAT_SECONDS:
            self._errors[text] = now
            self._end_line()
            print_message(f"segops: {text}")

    def _end_line(self) -> None:
        if self._is_line_open:
            print_message("")
            self._is_line_open = False


def _print_json(snapshot: Snapshot, rate: float) -> None:
    line: dict[str, Any] = msgspec.to_builtins(snapshot)
    stream = line.pop("stream") or {}
    stream.pop("shards", None)
    write(f"{format_json({**line, 'per_second': round(rate, 1), **stream})}\n", flush=True)


def _redraw(snapshot: Snapshot, rate: float) -> None:
    stream = snapshot.stream
    waits = "" if stream is None else f", {stream.lag:,} wait, {stream.dead:,} dead letter(s)"
    oldest = "" if stream is None or stream.oldest is None else f", oldest {stream.oldest:,.0f} s"
    print_status(f"  {snapshot.delivered:,} sent ({rate:,.0f}/s){waits}{oldest}")
