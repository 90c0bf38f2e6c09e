"""A client whose spool is a broker: what `segops forward` runs."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from types import TracebackType

import msgspec

from segops import SegOpsApiError, SegOpsClient, SegOpsConfigError, SegOpsError, SegOpsTransportError
from segops.brokers import BrokerSpool, Source, SourceOptions, open_source
from segops.core import Action, Observer, event_action, hookimpl, retry_after
from segops.forward.status import StreamStatus
from segops.utils import monotonic

_POLL = 0.2
"""Seconds between two looks at shards that had nothing to send."""

_SHARE = 3.0
"""A lease is renewed between requests, so it lasts for this many of them."""

_SHUTDOWN = 1.0
"""Seconds for closing, besides those of the request under way."""

_PATIENCE = 60.0
"""Seconds without progress after which `--once` gives up."""


class Snapshot(msgspec.Struct, frozen=True):
    """What a forwarder has done, and what is left.

    Attributes:
        delivered: Events that SegOps accepted.
        dropped: Events that are in the dead letters, by reason.
        retries: Requests that were sent again.
        stream: The stream, as it was last seen; None if the broker did not say so far.
    """

    delivered: int
    dropped: dict[str, int]
    retries: int
    stream: StreamStatus | None


class Forwarder:
    """Sends the events of a broker to SegOps until it is closed.

    Args:
        url: The broker.
        to: The URL of SegOps.
        key: A secret key; None if the transport needs none.
        options: How to read the broker.
        is_once: Whether it is done when it has sent what waits now.

    Attributes:
        errors: What went wrong, for the report to print.

    Raises:
        SegOpsConfigError: An option, the key, or the stream cannot be used.
        SegOpsTransportError: The broker cannot be reached.
    """

    def __init__(self, url: str, to: str, key: str | None, options: SourceOptions, *, is_once: bool) -> None:
        # Errors reach the user as messages; without a handler they would appear again, as log lines.
        logging.getLogger("segops").addHandler(logging.NullHandler())
        self.errors: deque[Exception] = deque(maxlen=1000)
        self._watch = open_source(url, options)
        self._watch.check()
        self._goals = self._watch.last_ids() if is_once else None
        self._seen: StreamStatus | None = None
        self._progress = (0, monotonic())
        self._last_error: SegOpsError | None = None
        self._timeout = options.lease / _SHARE
        self._spool = BrokerSpool(lambda: open_source(url, options))
        self._client = SegOpsClient(
            to,
            key,
            spool=self._spool,
            timeout=self._timeout,
            flush_interval=_POLL,
            on_error=self._note_error,
            plugins=[_SharedPause(self._watch)],
        )
        if self._client.transport.url == self._watch.url:
            self.close()
            raise SegOpsConfigError(f"--to is the stream itself: pass the URL of SegOps, got {self._watch.url}")

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def snapshot(self) -> Snapshot:
        """Return what was done, and the state of the stream if the broker responds."""
        stats = self._client.stats()
        try:
            self._seen = StreamStatus.of(self._watch)
        except SegOpsError as error:
            self._note_error(error)
        return Snapshot(
            stats.delivered, {str(name): count for name, count in stats.dropped.items()}, stats.retries, self._seen
        )

    def is_done(self) -> bool:
        """Return whether all that waited at the start is sent, with `is_once`.

        Raises:
            SegOpsError: With `is_once`: SegOps refuses the events, or there was no progress for a minute.
        """
        if self._goals is None:
            return False
        self._check_progress()
        try:
            first = {shard.shard: shard.first for shard in self._watch.status()}
        except SegOpsError:
            return False
        waiting = {name: entry for name, entry in first.items() if entry is not None and name in self._goals}
        return all(self._watch.is_after(entry, self._goals[name]) for name, entry in waiting.items())

    def close(self) -> None:
        """Finish the request under way, and give the shards to other forwarders."""
        self._spool.stop()
        self._client.shutdown(self._timeout + _SHUTDOWN)
        self._watch.close()

    def _note_error(self, error: Exception) -> None:
        self.errors.append(error)
        if isinstance(error, SegOpsApiError | SegOpsTransportError | SegOpsConfigError):
            self._last_error = error

    def _check_progress(self) -> None:
        settled, since = self._progress
        stats = self._client.stats()
        now = monotonic()
        if stats.delivered + sum(stats.dropped.values()) > settled:
            self._progress = (stats.delivered + sum(stats.dropped.values()), now)
            self._last_error = None
        error = self._last_error
        if error is not None and (event_action(error) is Action.HOLD or now - since > _PATIENCE):
            raise error


class _SharedPause(Observer):
    """Has all forwarders heed the `Retry-After` that one of them got."""

    name = "shared-pause"

    def __init__(self, source: Source) -> None:
        self._source = source

    @hookimpl
    def segops_register_observers(self) -> list[Observer]:
        return [self]

    def on_retry(self, error: Exception, delay: float) -> None:
        if isinstance(error, SegOpsApiError) and retry_after(error.headers, time.time()) is not None:
            try:
                self._source.hold_off(delay)
            except SegOpsError:
                return  # the others find out by themselves


def digest_of(key: str) -> str:
    """Return what identifies an API key and does not reveal it."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
