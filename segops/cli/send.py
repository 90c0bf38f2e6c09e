"""`segops send`: the events of a file, through the client that applications use."""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter, deque
from typing import Any

from segops import (
    Event,
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
from segops.cli.connection import add_address_flags, read_key
from segops.cli.event_files import EventFile, open_events, parse_event, parse_object
from segops.cli.output import Output, add_output_flags
from segops.cli.progress import Bar
from segops.cli.running import complain
from segops.core import SegOpsRateLimitError

_BATCH = 500
_MOST_WAITING = 2000
_TICK = 0.05
_MOST_LISTED = 1000
_MOST_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `segops send` takes."""
    parser.add_argument(
        "file", metavar="FILE", help="events: JSON lines or a JSON array, also in gzip; - to pipe them in"
    )
    parser.add_argument(
        "--ignore-key",
        dest="ignored",
        metavar="NAME",
        action="append",
        default=[],
        help="skip this key of an event instead of refusing the line; may be repeated",
    )
    parser.add_argument("--enrich", action="store_true", help="run enrichers; not for what the file: transport wrote")
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
    broken: SegOpsArgumentError | None = None
    with open_events(arguments.file) as file, Sender(arguments, file) as sender, Bar("bytes") as bar:
        read = 0
        try:
            for number, line in file:
                read += len(line)
                sender.take(number, line)
                bar.show(read, file.size)
        except SegOpsArgumentError as error:  # what came before is sent, and told
            broken = error
        stats = sender.settle(0)
    if broken is not None and not sender.has_read:
        raise broken
    report = sender.report(arguments.file, stats)
    Output(arguments).show(report, is_report=True)
    if broken is not None:
        complain(str(broken))
    if lost := sum(report["dropped"].values()):
        return complain(f"{lost} of {report['events']} events were dropped{sender.describe_bad_lines()}")
    return 0 if broken is None else 1


class Sender:
    """Hands lines to a client and watches what becomes of them.

    Args:
        arguments: Where to send, what to skip, and how patient to be.
        file: Where the lines come from.
    """

    def __init__(self, arguments: argparse.Namespace, file: EventFile) -> None:
        # Errors reach the user as messages; without a handler they would appear a second time, as log lines.
        logging.getLogger("segops").addHandler(logging.NullHandler())
        self._patience = arguments.patience
        self._errors: deque[Exception] = deque(maxlen=_MOST_LISTED)
        self._file = file
        self._ignored = Counter(dict.fromkeys(arguments.ignored, 0))
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
            enrich=arguments.enrich,
            spool=False,  # what cannot be sent is told, and is still in the file
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
            event = self._read(line)
        except SegOpsEventError as error:
            self._unread += 1
            self._note(number, error)
        else:
            self._track(number, event)
        if self._lines % _BATCH == 0:
            self.settle(_MOST_WAITING)

    @property
    def has_read(self) -> bool:
        """Whether there was an event, good or bad."""
        return self._lines > 0

    def _read(self, line: bytes) -> Event:
        value = parse_object(line)
        self._ignored.update(value.keys() & self._ignored.keys())
        return parse_event(value, self._ignored.keys())

    def _track(self, number: int, event: Event) -> None:
        try:
            self._client.track(event)
        except SegOpsEventError as error:
            if isinstance(error.__cause__, SegOpsConfigError):
                raise error.__cause__ from None
            self._note(number, error)

    def _note(self, number: int, error: SegOpsError) -> None:
        self._bad_count += 1
        if len(self._bad) < _MOST_LISTED:
            self._bad.append({self._file.unit: number, "error": str(error)})

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
            **({"ignored_keys": dict(self._ignored)} if self._ignored else {}),
            "bad_lines": self._bad,
        }

    def describe_bad_lines(self) -> str:
        """Return which lines are bad, as the end of a sentence."""
        shown = "".join(
            f"\n  {self._file.unit} {bad[self._file.unit]}: {bad['error']}" for bad in self._bad[:_MOST_SHOWN]
        )
        more = (
            f"\n  and {self._bad_count - _MOST_SHOWN} more {self._file.unit}s" if self._bad_count > _MOST_SHOWN else ""
        )
        return f":{shown}{more}" if shown else ": the server refused them"

    def _give_up(self) -> None:
        """Raise what stops the events, unless it may still pass."""
        waited = time.monotonic() - self._moved_at
        for error in list(self._errors):
            is_api = isinstance(error, SegOpsApiError)
            is_passing = not is_api or isinstance(error, SegOpsServerError | SegOpsRateLimitError)
            if isinstance(error, SegOpsApiError | SegOpsTransportError) and (not is_passing or waited > self._patience):
                raise error


def _refuse_public_key() -> None:
    raise SegOpsConfigError(
        "a public key (pk_) speaks for one user, a file holds events of many: use a secret key (sk_)"
    )
