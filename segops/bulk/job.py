"""Send the records of a job as events, in requests that are the same each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from segops import Event, Limits, SegOpsConfigError, SegOpsEventError, Stats
from segops.bulk.sending import EventSender
from segops.bulk.spool import Cut, CutSpool, Mark
from segops.composition import load_plugins
from segops.core import DropReason, Enricher, Transport
from segops.delivery import Enrichment, as_event_error, check_event, encode_checked
from segops.environment import read_environment
from segops.utils import log

MAX_PENDING = 2000
"""Events that are read ahead of those that are sent."""

_CHECK_EVERY = 500
_LOOK_EVERY = 5.0

MIN_RATE = 0.001
"""Requests per minute; less is likely a mistake."""


class Progress(msgspec.Struct, frozen=True):
    """How far a job is after a request.

    Attributes:
        mark: All before it is settled.
        bounds: Where the next batches must end, so that a later run cuts them as this one would.
        delivered: Events that the server accepted, in earlier runs, too.
        rejected: Events that it did not accept, by reason.
    """

    mark: Mark = Mark()
    bounds: Sequence[Mark] = ()
    delivered: int = 0
    rejected: dict[DropReason, int] = {}


class Result(msgspec.Struct, frozen=True):
    """What became of the records of a job.

    Attributes:
        read: Records that were read, those of earlier runs included, as in all counts.
        delivered: Events that the server accepted.
        dropped: Events that it did not, and records that have none, by reason.
        retries: Requests that this run sent again.
    """

    read: int
    delivered: int
    dropped: dict[DropReason, int]
    retries: int


class BulkJob:
    """Reads, checks, encodes and sends events, one request at a time and in their order.

    Args:
        api_url: The URL of SegOps, or None for the one in the environment.
        api_key: A secret key, or None for the one in the environment.
        job: Names the job, in the key of each request.
        read: Returns the event of a record. It may raise SegOpsEventError.
        begin: The progress to begin from.
        now: The time of events that have none. Default: when each is read.
        per_minute: Requests per minute, at most.
        linger: Seconds after which an incomplete batch is sent; None for a job that may be repeated.
        patience: Seconds without progress after which the job fails.
        enrich: Whether enrichers run.
        transport: What requests are handed to in place of `api_url`.
        on_progress: Is called after each request, before the next one. What it raises ends the job.
        on_failed: Is called with the source and the number of each record that is not sent, or that the server rejects
            by itself, and with the reason.
        on_plugin_error: Gets the errors of enrichers. Default: the log.
        show: Gets the number of records that are settled, for a progress bar.

    Raises:
        SegOpsConfigError: The URL or the key cannot be used, or the SDK is disabled.
    """

    def __init__(
        self,
        api_url: str | None,
        api_key: str | None,
        *,
        job: str,
        read: Callable[[Any], Event],
        begin: Progress | None = None,
        now: datetime | None = None,
        per_minute: float | None = None,
        linger: float | None = None,
        patience: float,
        enrich: bool = False,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        transport: Transport | None = None,
        on_failed: Callable[[int, int, str], None],
        on_plugin_error: Callable[[Exception], None] | None = None,
        show: Callable[[int], None] = lambda _read: None,
    ) -> None:
        if read_environment().is_disabled:
            raise SegOpsConfigError("the SDK is disabled: unset SEGOPS_DISABLED")
        self._begin = begin or Progress()
        report = on_plugin_error or _log
        self._preparation = Preparation(read, now, load_plugins(report).enrichers() if enrich else (), report)
        self._on_progress = on_progress
        self._on_failed = on_failed
        self._show = show
        self._progress = self._begin
        self._read, self._refused = self._begin.mark.read, self._begin.mark.refused
        self._known_losses: Mapping[DropReason, int] = {}
        interval = 60 / per_minute if per_minute else 0.0
        self._spool = CutSpool(
            job,
            start=self._begin.mark,
            bounds=self._begin.bounds,
            interval=interval,
            linger=linger,
            on_settled=self._settle,
        )
        self._sender = _JobSender(
            api_url,
            api_key,
            self._spool,
            patience=patience + interval,
            transport=transport,
            flush_interval=_LOOK_EVERY if linger is None else linger,
        )

    def __enter__(self) -> BulkJob:
        return self

    def __exit__(self, *details: object) -> None:
        self._sender.__exit__(*details)

    @property
    def url(self) -> str:
        """The URL that events go to."""
        return self._sender.client.transport.url

    def is_done(self, source: int, number: int) -> bool:
        """Return whether an earlier run settled the record with this number."""
        return (source, number, 0) <= self._begin.mark.place

    def send(self, source: int, number: int, record: object) -> None:
        """Queue the events of the next record, and wait while too many are queued.

        Args:
            source: The number of the file or partition, from 0.
            number: The number of the record in it, from 1.
            record: The record. If it is bad, it is counted and reported, and the job goes on.

        Raises:
            SegOpsError: The job has failed.
        """
        before = self._read
        self._read += 1
        try:
            events = self._preparation.prepare(record)
        except SegOpsEventError as error:
            self._refused = add_counts(self._refused, {error.reason: 1})
            self._on_failed(source, number, str(error))
            events = []
        done = self._begin.mark.event if (source, number - 1) == self._begin.mark.place[:2] else 0
        for count, encoded in enumerate(events[done:], start=done + 1):
            is_last = count == len(events)
            place = (number, 0, self._read) if is_last else (number - 1, count, before)
            self._spool.add(Mark(source, *place, self._refused), encoded)
        if self._read % _CHECK_EVERY == 0:
            self._sender.wake()
            self._wait(MAX_PENDING)

    def finish(self) -> Result:
        """Send what is left, wait until all is settled, and return the counts.

        Raises:
            SegOpsError: The job has failed.
        """
        self._spool.end()
        stats = self._wait(0)
        end = self.end
        return Result(self._read, end.delivered, add_counts(self._refused, end.rejected), stats.retries)

    @property
    def end(self) -> Progress:
        """The progress at the end, once all is settled: bad records may come after the last request."""
        mark = msgspec.structs.replace(self._progress.mark, read=self._read, refused=self._refused)
        return msgspec.structs.replace(self._progress, mark=mark)

    def _wait(self, limit: int) -> Stats:
        return self._sender.wait(limit, lambda _settled: self._show(self._progress.mark.read))

    def _settle(self, cut: Cut, bounds: Sequence[Mark]) -> None:
        stats = self._sender.client.stats()
        for reason, count in stats.dropped.items():
            if count > self._known_losses.get(reason, 0) and cut.batch.count == 1:
                self._on_failed(cut.end.source, cut.end.number, _REASONS.get(reason, reason))
        self._known_losses = stats.dropped
        delivered = self._begin.delivered + stats.delivered
        self._progress = Progress(cut.end, bounds, delivered, add_counts(self._begin.rejected, stats.dropped))
        self._on_progress(self._progress)


def add_counts(one: Mapping[DropReason, int], other: Mapping[DropReason, int]) -> dict[DropReason, int]:
    """Return the sum of two counts."""
    return {**one, **{reason: one.get(reason, 0) + count for reason, count in other.items()}}


_REASONS: Mapping[DropReason, str] = {
    "rejected": "the server rejected it",
    "too_large": "the server found it too large",
}


class Preparation:
    """Turns a record into the encoded events to send.

    Args:
        read: Returns the event of a record. It may raise SegOpsEventError.
        now: The time of events that have none. Default: when each is read.
        enrichers: The enrichers.
        report: Gets the errors of enrichers.
    """

    def __init__(
        self,
        read: Callable[[Any], Event],
        now: datetime | None,
        enrichers: Sequence[Enricher],
        report: Callable[[Exception], None],
    ) -> None:
        self._read = read
        self._now = now
        self._max_bytes = Limits().max_event_bytes
        self._enrichment = Enrichment(enrichers, report) if enrichers else None

    def prepare(self, record: object) -> list[bytes]:
        """Return the encoded events.

        Raises:
            SegOpsEventError: The record is bad, or an enricher dropped its event.
        """
        try:
            checked = check_event(self._read(record), self._time)
            events = (checked,) if self._enrichment is None else self._enrichment.apply(checked)
            encoded = [encode_checked(each, self._max_bytes)[0] for each in events]
        except Exception as error:  # noqa: BLE001 - the values of a row may raise anything
            raise as_event_error(error) from error.__cause__
        if not encoded:
            raise SegOpsEventError("an enricher dropped the event", reason="plugin")
        return encoded

    def _time(self) -> datetime:
        return self._now or datetime.now(timezone.utc)


class _JobSender(EventSender):
    """An `EventSender` whose events come from a spool rather than from `track()`."""

    def __init__(
        self, api_url: str | None, api_key: str | None, spool: CutSpool, *, patience: float, **options: Any
    ) -> None:
        self._spool = spool
        super().__init__(
            api_url,
            api_key,
            network_patience=patience,
            server_patience=patience,
            spool=spool,
            enrich=False,
            **options,
        )
        if spool.context.is_public:
            self.client.shutdown(0)
            raise self.public_key_error()
        self.wake()

    def wake(self) -> None:
        """Have the worker look for events, and return at once."""
        self.client.flush(0)

    def _count_pending(self, stats: Stats) -> int:  # noqa: ARG002 - those that the engine does not know yet count, too
        pending = self._spool.pending
        if self._spool.failure is not None:  # after the look at those pending: the last request may have failed
            raise self._spool.failure
        return pending


def _log(error: Exception) -> None:
    log("warning", "segops.bulk.plugin", error=str(error))
