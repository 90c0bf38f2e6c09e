"""`segops send`: send the events of files."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from typing import Any

from segops import Event, SegOpsArgumentError, SegOpsError
from segops.bulk.job import BulkJob, Progress, Result
from segops.bulk.mapping import RecordMapping
from segops.cli.checkpoint import Checkpoint, CheckpointFile, Settings, check_resumable, check_url
from segops.cli.connection import add_address_flags, read_key
from segops.cli.errors import DamagedFileError, fail
from segops.cli.event_files import STDIN, Record, open_events, parse_event, parse_object
from segops.cli.output import Output, add_output_flags
from segops.cli.progress import ProgressBar, Speed, describe_seconds
from segops.cli.survey import Input, job_name, survey
from segops.cli.terminal import print_message
from segops.core import Request, Response, Transport

_MAX_LISTED = 1000
_MAX_SHOWN = 10
_LINGER = 2.5
_API_CALLS = 60.0
"""Requests per minute that SegOps accepts. Source: docs/history.md, "Sizing"."""

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)/min")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `segops send`."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="JSON lines, a JSON array or Parquet, compressed with gzip or zstd or not (- for stdin)",
    )
    parser.add_argument(
        "--map",
        dest="mapping",
        metavar="PRODUCT|FIELD=KEY",
        action="append",
        default=[],
        help="read events of segment, mixpanel, posthog or amplitude, or take a field from another key (repeatable)",
    )
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
    parser.add_argument("--checkpoint", metavar="FILE", help="record in this file how far the job is")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--rate", metavar="N/min", type=_parse_rate, help="send at most N requests per minute")
    parser.add_argument("--dry-run", action="store_true", help="check all events and count the requests; send nothing")
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
        SegOpsArgumentError: A file or the checkpoint cannot be used.
        SegOpsConfigError: The key or the URL cannot be used.
        SegOpsApiError: SegOps refuses the events, and a retry would not help.
        SegOpsTransportError: SegOps cannot be reached.
    """
    output = Output(args)
    mapping = RecordMapping.parse(args.mapping) if args.mapping else None
    inputs = survey(args.files, mapping, args.ignored)
    with _open_checkpoint(args, inputs) as saved, FileSender(args, inputs, mapping, saved) as sender:
        broken = sender.send_all()
        result = sender.finish(is_complete=broken is None)
    if broken is not None and not result.read:
        raise broken
    output.show(sender.report(result), is_report=True)
    if broken is not None:
        fail(str(broken))
    if lost := sum(result.dropped.values()):
        return fail(f"{lost} of {result.read} events were dropped{sender.describe_bad_lines()}")
    return 0 if broken is None else 1


class SavedJob:
    """The checkpoint of a job, and where it is written.

    Args:
        file: The file; None if nothing is to be written.
        checkpoint: The checkpoint to begin from.
    """

    def __init__(self, file: CheckpointFile | None, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._file = file

    @property
    def name(self) -> str | None:
        """The name of the file."""
        return None if self._file is None else self._file.name

    def begin(self, url: str) -> None:
        """Write the checkpoint for the first time, or check that it belongs to this SegOps.

        Raises:
            SegOpsArgumentError: It does not, or cannot be written.
        """
        if self._file is None:
            return
        if self.checkpoint.url:
            check_url(self.checkpoint, self._file.name, url)
        self.checkpoint.url = url
        self._file.write(self.checkpoint)

    def save(self, progress: Progress, *, is_complete: bool = False) -> None:
        """Write how far the job is.

        Raises:
            SegOpsArgumentError: A file has changed, or the checkpoint cannot be written.
        """
        self.checkpoint.progress = progress
        self.checkpoint.is_complete = is_complete
        if self._file is not None:
            self._file.write(self.checkpoint)
            for each in self.checkpoint.inputs:
                each.check_unchanged()


@contextmanager
def _open_checkpoint(args: argparse.Namespace, inputs: Sequence[Input]) -> Iterator[SavedJob]:
    """Yield the checkpoint to begin from.

    Raises:
        SegOpsArgumentError: The flags contradict each other, or the checkpoint belongs to another job.
    """
    settings = Settings(args.mapping, args.ignored, args.enrich)
    fresh = Checkpoint(
        url="",
        started_at=datetime.now(timezone.utc),
        settings=settings,
        inputs=list(inputs),
        progress=Progress(),
    )
    if args.checkpoint is None:
        if args.resume:
            raise SegOpsArgumentError("--resume needs --checkpoint FILE, the file that the job was begun with")
        yield SavedJob(None, fresh)
        return
    if unrepeatable := [each.name for each in inputs if not each.is_regular]:
        what = "standard input" if STDIN in unrepeatable else repr(unrepeatable[0])
        raise SegOpsArgumentError(f"{what} cannot be read again from a checkpoint: pass a file")
    file = CheckpointFile(args.checkpoint)
    with file.locked():
        found = file.read()
        if found is None:
            if args.resume:
                print_message(f"segops: checkpoint {args.checkpoint!r} does not exist yet: starting from the beginning")
            yield SavedJob(None if args.dry_run else file, fresh)
            return
        check_resumable(found, args.checkpoint, inputs, settings)
        if not args.resume:
            raise SegOpsArgumentError(
                f"the checkpoint {args.checkpoint!r} exists, with {found.progress.mark.read:,} events done: "
                "add --resume to go on from there, or, to start over, pass another file"
            )
        found.inputs = list(inputs)
        yield SavedJob(None if args.dry_run else file, found)


class FileSender:
    """Sends the events of files.

    Args:
        args: The parsed command line.
        inputs: The files.
        mapping: How records are read that have another shape.
        saved: Where to begin, and where to record how far the job is.
    """

    def __init__(
        self, args: argparse.Namespace, inputs: Sequence[Input], mapping: RecordMapping | None, saved: SavedJob
    ) -> None:
        self._inputs = inputs
        self._mapping = mapping
        self._saved = saved
        self._rate: float | None = args.rate
        self._ignored = Counter(dict.fromkeys(args.ignored, 0))
        self._bad: list[dict[str, Any]] = []
        self._bad_count = 0
        self._units = ["line"] * len(inputs)
        self._begin = saved.checkpoint.progress
        self._total = sum(each.records or 0 for each in inputs) if all(each.is_regular for each in inputs) else None
        self._speed = Speed(self._begin.mark.read)
        self._bar = ProgressBar("events")
        self._dry_run = _DryRun() if args.dry_run else None
        is_repeatable = all(each.is_regular for each in inputs)
        self._job = BulkJob(
            args.api_url,
            None if args.dry_run else read_key(args),
            job=job_name(inputs),
            read=self._read,
            begin=self._begin,
            now=saved.checkpoint.started_at if saved.name or args.dry_run else None,
            per_minute=None if args.dry_run else args.rate,
            linger=None if is_repeatable else _LINGER,
            patience=args.patience,
            enrich=args.enrich,
            transport=self._dry_run,
            on_progress=saved.save,
            on_failed=self._note_bad_record,
            on_plugin_error=lambda error: self._bar.print_message(f"segops: {error}"),
            show=self._show,
        )
        self._stack = ExitStack()

    def __enter__(self) -> FileSender:
        self._stack.enter_context(self._job)
        self._stack.enter_context(self._bar)
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def send_all(self) -> DamagedFileError | None:
        """Send all events that an earlier run has not settled.

        Returns:
            The error of a file that cannot be read to the end. What came before it is sent.

        Raises:
            SegOpsError: The job has failed.
        """
        self._saved.begin(self._job.url)
        for source, each in enumerate(self._inputs):
            if source < self._begin.mark.source or self._saved.checkpoint.is_complete:
                continue
            try:
                self._send_file(source, each.name)
            except DamagedFileError as error:
                return error
            except (SegOpsError, KeyboardInterrupt):
                self._suggest_resuming()
                raise
        return None

    def finish(self, *, is_complete: bool) -> Result:
        """Wait until all is settled, and return the counts."""
        try:
            result = self._job.finish()
        except (SegOpsError, KeyboardInterrupt):
            self._suggest_resuming()
            raise
        if is_complete and not self._saved.checkpoint.is_complete:
            self._saved.save(self._job.end, is_complete=True)
        if result.read:
            self._show(result.read)
        return result

    def report(self, result: Result) -> dict[str, Any]:
        """Return the report on the events."""
        names = [each.name for each in self._inputs]
        dry_run = {} if self._dry_run is None else self._dry_run.report(result, self._rate or _API_CALLS)
        return {
            **({"file": names[0]} if len(names) == 1 else {"files": names}),
            "events": result.read,
            **(dry_run or {"delivered": result.delivered}),
            "dropped": result.dropped,
            **({} if dry_run else {"retries": result.retries}),
            **({"resumed_at": self._begin.mark.read} if self._begin.mark.read else {}),
            **({"ignored_keys": dict(self._ignored)} if self._ignored else {}),
            **({"unmapped_keys": dict(self._mapping.unmapped)} if self._mapping and self._mapping.unmapped else {}),
            "bad_lines": self._bad,
        }

    def describe_bad_lines(self) -> str:
        """Return the bad lines, as the end of a sentence."""
        if not self._bad:
            return ": the server rejected them"
        lines = [f"  {_describe_place(bad)}: {bad['error']}" for bad in self._bad[:_MAX_SHOWN]]
        if self._bad_count > _MAX_SHOWN:
            lines.append(f"  and {self._bad_count - _MAX_SHOWN} more {self._units[0]}s")
        return "\n".join([":", *lines])

    def _send_file(self, source: int, name: str) -> None:
        with open_events(name) as file:
            for number, record in file:
                self._units[source] = file.unit
                if not self._job.is_done(source, number):
                    self._job.send(source, number, record)

    def _read(self, record: Record) -> Event:
        value = parse_object(record)
        if self._ignored:
            self._ignored.update(value.keys() & self._ignored.keys())
        if self._mapping is not None:
            return self._mapping.event(value, self._ignored.keys())
        return parse_event(value, self._ignored.keys())

    def _note_bad_record(self, source: int, number: int, error: str) -> None:
        self._bad_count += 1
        if len(self._bad) < _MAX_LISTED:
            where = {} if len(self._inputs) == 1 else {"file": self._inputs[source].name}
            self._bad.append({**where, self._units[source]: number, "error": error})

    def _show(self, done: int) -> None:
        self._bar.show(done, self._total, self._speed.describe(done, self._total))

    def _suggest_resuming(self) -> None:
        if self._saved.name is not None:
            done = self._saved.checkpoint.progress.mark.read
            self._bar.print_message(
                f"segops: {done:,} events are done: to go on from there, add --resume to the same command"
            )


class _DryRun(Transport):
    """Counts requests instead of sending them."""

    offline = True

    def __init__(self) -> None:
        self.requests = self.bytes = 0

    def send(self, request: Request, *, timeout: float) -> Response:  # noqa: ARG002 - as the base class has it
        """Count a request and accept it."""
        self.requests += 1
        self.bytes += len(request.body)
        return Response(202)

    def report(self, result: Result, per_minute: float) -> dict[str, Any]:
        """Return what would be sent, and how long it would take."""
        return {
            "valid": result.delivered,
            "requests": self.requests,
            "bytes": self.bytes,
            "time": f"{describe_seconds(60 * self.requests / per_minute)} at {per_minute:g} requests per minute",
        }


def _describe_place(bad: dict[str, Any]) -> str:
    file = f"{bad['file']}, " if "file" in bad else ""
    unit = next(unit for unit in ("line", "item", "row") if unit in bad)
    return f"{file}{unit} {bad[unit]}"


def _parse_rate(text: str) -> float:
    found = _RATE.fullmatch(text)
    rate = float(found[1]) if found else 0.0
    if rate <= 0:
        raise argparse.ArgumentTypeError(f"must be a number of requests per minute, such as 60/min, got {text!r}")
    return rate
