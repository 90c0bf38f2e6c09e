"""`segops send`: the events of a file, through the client that applications use."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from segops import (
    SegOpsApiError,
    SegOpsArgumentError,
    SegOpsClient,
    SegOpsConfigError,
    SegOpsError,
    SegOpsEventError,
    SegOpsServerError,
    SegOpsTransportError,
    Stats,
)
from segops.commands.connection import add_address_flags, read_key
from segops.commands.inputs import STDIN
from segops.commands.output import Output, add_output_flags
from segops.commands.progress import Bar
from segops.commands.running import complain
from segops.core import SegOpsRateLimitError, expand_home

_BATCH = 500
_MOST_WAITING = 2000
_TICK = 0.05
_MOST_LISTED = 1000
_MOST_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `segops send` takes."""
    parser.add_argument("file", metavar="FILE", help="events, one JSON object a line; - to pipe them in")
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=float,
        default=10.0,
        help="how long to go on without an answer (%(default)g)",
    )
    add_output_flags(parser)
    add_address_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send the events and print what became of them; the exit code is 1 if any was dropped.

    Raises:
        SegOpsArgumentError: The file cannot be read.
        SegOpsConfigError: Key or URL cannot be used.
        SegOpsApiError: SegOps refuses the events, and waiting does not cure that.
        SegOpsTransportError: SegOps cannot be reached.
    """
    with _open(arguments.file) as (file, size), Sender(arguments) as sender, Bar("bytes") as bar:
        read = 0
        for number, line in enumerate(file, start=1):
            read += len(line)
            sender.take(number, line)
            bar.show(read, size)
        stats = sender.settle(0)
    report = sender.report(arguments.file, stats)
    Output(arguments).show_document(report)
    if lost := sum(report["dropped"].values()):
        return complain(f"{lost} of {report['events']} events were dropped{sender.describe_bad_lines()}")
    return 0


class Sender:
    """Hands lines to a client and watches what becomes of them.

    Args:
        arguments: Where to send, and how patient to be.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        # Errors reach the user as messages; without a handler they would appear a second time, as log lines.
        logging.getLogger("segops").addHandler(logging.NullHandler())
        self._patience = arguments.patience
        self._errors: deque[Exception] = deque(maxlen=_MOST_LISTED)
        self._bad: list[dict[str, Any]] = []
        self._lines = 0
        self._moved_at, self._settled = time.monotonic(), 0
        self._unread = self._bad_count = 0
        self._client = SegOpsClient(
            arguments.api_url,
            read_key(arguments),
            get_user=_refuse_public_key,
            batch_size=_BATCH,
            on_error=self._errors.append,
            strict=True,
        )

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.shutdown(timeout=0)  # all is settled by now, or the user does not want to wait for it

    def take(self, number: int, line: bytes) -> None:
        """Send the event of a line; a line that holds none is noted."""
        if not line.strip():
            return
        self._lines += 1
        try:
            event = _read_event(line)
        except SegOpsArgumentError as error:
            self._unread += 1
            self._note(number, error)
        else:
            self._track(number, event)
        if self._lines % _BATCH == 0:
            self.settle(_MOST_WAITING)

    def _track(self, number: int, event: dict[str, Any]) -> None:
        try:
            self._client.track(event)
        except SegOpsEventError as error:
            if isinstance(error.__cause__, SegOpsConfigError):
                raise error.__cause__ from None
            self._note(number, error)

    def _note(self, number: int, error: SegOpsError) -> None:
        self._bad_count += 1
        if len(self._bad) < _MOST_LISTED:
            self._bad.append({"line": number, "error": str(error)})

    def settle(self, most: int) -> Stats:
        """Wait until at most so many events are pending.

        Raises:
            SegOpsConfigError: The SDK is turned off.
            SegOpsApiError: SegOps refuses them, and waiting does not cure that, or too long.
            SegOpsTransportError: SegOps cannot be reached for too long.
        """
        while (stats := self._client.stats()).pending > most:
            if stats.accepted - stats.pending > self._settled:
                self._settled, self._moved_at = stats.accepted - stats.pending, time.monotonic()
            self._give_up()
            self._client.flush(_TICK)
        if not stats.accepted and self._lines > self._bad_count:
            raise SegOpsConfigError("the SDK takes no events because SEGOPS_DISABLED is set: unset it")
        return stats

    def report(self, name: str, stats: Stats) -> dict[str, Any]:
        """Return what became of the events of a file."""
        dropped: dict[str, int] = {str(reason): count for reason, count in stats.dropped.items()}
        if self._unread:
            dropped["invalid"] = dropped.get("invalid", 0) + self._unread
        return {
            "file": name,
            "events": self._lines,
            "delivered": stats.delivered,
            "dropped": dropped,
            "retries": stats.retries,
            "bad_lines": self._bad,
        }

    def describe_bad_lines(self) -> str:
        """Return which lines are bad, as the end of a sentence."""
        shown = "".join(f"\n  line {bad['line']}: {bad['error']}" for bad in self._bad[:_MOST_SHOWN])
        more = f"\n  and {self._bad_count - _MOST_SHOWN} more lines" if self._bad_count > _MOST_SHOWN else ""
        return f":{shown}{more}" if shown else ": the server refused them"

    def _give_up(self) -> None:
        """Raise what stops the events, unless it may still pass."""
        waited = time.monotonic() - self._moved_at
        for error in list(self._errors):
            is_api = isinstance(error, SegOpsApiError)
            is_passing = not is_api or isinstance(error, SegOpsServerError | SegOpsRateLimitError)
            if isinstance(error, SegOpsApiError | SegOpsTransportError) and (not is_passing or waited > self._patience):
                raise error


def _read_event(line: bytes) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SegOpsArgumentError(f"no JSON ({error})") from None
    if not isinstance(event, dict):
        raise SegOpsArgumentError("no JSON object")
    return event


def _refuse_public_key() -> None:
    raise SegOpsConfigError(
        "a public key (pk_) speaks for one user, a file holds events of many: use a secret key (sk_)"
    )


@contextmanager
def _open(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open a file and tell its size; a pipe has none."""
    if name == STDIN:
        yield sys.stdin.buffer, None
        return
    try:
        file = Path(expand_home(name)).open("rb")  # noqa: SIM115 - it is, below: what is read is no error of opening
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SegOpsArgumentError(f"{name!r} cannot be read ({reason}): give a file of events, or -") from None
    with file:
        yield file, os.fstat(file.fileno()).st_size
