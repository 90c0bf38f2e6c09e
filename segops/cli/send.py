"""`segops send`: send the events of a file through `SegOpsClient`."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from segops import Event, SegOpsArgumentError, SegOpsConfigError, SegOpsEventError, Stats
from segops.cli.connection import add_address_flags, read_key
from segops.cli.errors import fail
from segops.cli.event_files import EventFile, open_events, parse_event, parse_object
from segops.cli.output import Output, add_output_flags
from segops.cli.progress import ProgressBar
from segops.cli.sending import BATCH_SIZE, EventSender

_MAX_PENDING = 2000
_MAX_LISTED = 1000
_MAX_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `segops send`."""
    parser.add_argument("file", metavar="FILE", help="JSON lines or a JSON array, gzip-compressed or not (- for stdin)")
    parser.add_argument(
        "--ignore-key",
        dest="ignored",
        metavar="NAME",
        action="append",
        default=[],
        help="ignore this key instead of rejecting the event (repeatable)",
    )
    parser.add_argument(
        "--enrich", action="store_true", help="run enrichers; leave it out for files of the file: transport"
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=float,
        default=10.0,
        help="give up after this time without progress (default: %(default)g)",
    )
    add_output_flags(parser)
    add_address_flags(parser.add_argument_group("connection"))


def run(args: argparse.Namespace) -> int:
    """Send the events and print a report; the exit code is 1 if any event was dropped.

    Raises:
        SegOpsArgumentError: The file cannot be read.
        SegOpsConfigError: The key or the URL cannot be used.
        SegOpsApiError: SegOps refuses the events, and a retry would not help.
        SegOpsTransportError: SegOps cannot be reached.
    """
    broken: SegOpsArgumentError | None = None
    with open_events(args.file) as file, FileSender(args, file) as sender, ProgressBar("bytes") as bar:
        read = 0
        try:
            for number, line in file:
                read += len(line)
                sender.send(number, line)
                bar.show(read, file.size)
        except SegOpsArgumentError as error:  # what came before it is sent and reported
            broken = error
        stats = sender.wait(0)
    if broken is not None and not sender.has_read:
        raise broken
    report = sender.report(args.file, stats)
    Output(args).show(report, is_report=True)
    if broken is not None:
        fail(str(broken))
    if lost := sum(report["dropped"].values()):
        return fail(f"{lost} of {report['events']} events were dropped{sender.describe_bad_lines()}")
    return 0 if broken is None else 1


class FileSender:
    """Sends the lines of a file and keeps count of bad ones.

    Args:
        args: The parsed command line.
        file: The file that the lines come from.
    """

    def __init__(self, args: argparse.Namespace, file: EventFile) -> None:
        self._file = file
        self._ignored = Counter(dict.fromkeys(args.ignored, 0))
        self._bad: list[dict[str, Any]] = []
        self._lines = self._unparsed = self._bad_count = 0
        self._sender = EventSender(
            args.api_url,
            read_key(args),
            network_patience=args.patience,
            server_patience=args.patience,
            strict=True,
            enrich=args.enrich,
        )

    def __enter__(self) -> FileSender:
        return self

    def __exit__(self, *details: object) -> None:
        self._sender.__exit__(*details)

    def send(self, number: int, line: bytes) -> None:
        """Send the event of a line, or record the line as bad."""
        if not line.strip():
            return
        self._lines += 1
        try:
            event = self._parse(line)
        except SegOpsEventError as error:
            self._unparsed += 1
            self._record_bad_line(number, error)
        else:
            self._track(number, event)
        if self._lines % BATCH_SIZE == 0:
            self.wait(_MAX_PENDING)

    @property
    def has_read(self) -> bool:
        """Whether there was a line, good or bad."""
        return self._lines > 0

    def wait(self, limit: int) -> Stats:
        """Wait until at most `limit` events are pending; see `EventSender.wait`.

        Raises:
            SegOpsConfigError: The SDK is disabled.
        """
        stats = self._sender.wait(limit)
        if not stats.accepted and self._lines > self._bad_count:
            raise SegOpsConfigError("the SDK is disabled: unset SEGOPS_DISABLED")
        return stats

    def _parse(self, line: bytes) -> Event:
        value = parse_object(line)
        self._ignored.update(value.keys() & self._ignored.keys())
        return parse_event(value, self._ignored.keys())

    def _track(self, number: int, event: Event) -> None:
        try:
            self._sender.client.track(event)
        except SegOpsEventError as error:
            if isinstance(error.__cause__, SegOpsConfigError):
                raise error.__cause__ from None
            self._record_bad_line(number, error)

    def _record_bad_line(self, number: int, error: SegOpsEventError) -> None:
        self._bad_count += 1
        if len(self._bad) < _MAX_LISTED:
            self._bad.append({self._file.unit: number, "error": str(error)})

    def report(self, name: str, stats: Stats) -> dict[str, Any]:
        """Return the report on the events of a file."""
        dropped: dict[str, int] = {str(reason): count for reason, count in stats.dropped.items()}
        if self._unparsed:
            dropped["invalid"] = dropped.get("invalid", 0) + self._unparsed
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
        """Return the bad lines, as the end of a sentence."""
        if not self._bad:
            return ": the server rejected them"
        unit = self._file.unit
        lines = [f"  {unit} {bad[unit]}: {bad['error']}" for bad in self._bad[:_MAX_SHOWN]]
        if self._bad_count > _MAX_SHOWN:
            lines.append(f"  and {self._bad_count - _MAX_SHOWN} more {unit}s")
        return "\n".join([":", *lines])
