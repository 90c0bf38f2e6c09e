"""Send many events, and give up when that is pointless."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from segops import (
    RetryPolicy,
    SegOpsApiError,
    SegOpsClient,
    SegOpsConfigError,
    SegOpsTransportError,
    Stats,
    UserContext,
)
from segops.core import Action, Spool, event_action, retry_after

BATCH_SIZE = 500

_TICK = 0.05
_MAX_DELAY = RetryPolicy().max_retry_after
"""Seconds; a server that asks for more has a limit that does not pass soon, such as that of a month."""


class EventSender:
    """A client for a known amount of events, whose errors end the work instead of being retried for ever.

    Args:
        api_url: The URL of SegOps, or None for the one in the environment.
        api_key: A secret key, or None for the one in the environment.
        network_patience: Seconds without progress after which an unreachable server is an error.
        server_patience: Seconds without progress after which an overloaded server is an error.
        on_other_error: Receives errors that concern no request, such as those of plugins.
        spool: A spool for these events alone. Default: none, because events that are spooled already may belong to
            another SegOps.
        options: More options of `SegOpsClient`.

    Attributes:
        client: The client to track events with.

    Raises:
        SegOpsConfigError: The URL or the key cannot be used.
    """

    def __init__(
        self,
        api_url: str | None,
        api_key: str | None,
        *,
        network_patience: float,
        server_patience: float,
        on_other_error: Callable[[Exception], object] = lambda _error: None,
        spool: Spool | Literal[False] = False,
        **options: Any,
    ) -> None:
        # Errors reach the user as messages; without a handler they would appear again, as log lines.
        logging.getLogger("segops").addHandler(logging.NullHandler())
        self._network_patience = network_patience
        self._server_patience = server_patience
        self._on_other_error = on_other_error
        self._errors: deque[Exception] = deque()
        self._key_error: SegOpsConfigError | None = None
        self._pending_error: SegOpsApiError | SegOpsTransportError | None = None
        self._settled = 0
        self._progress_at = time.monotonic()
        self._asked_to_wait_until = 0.0
        self.client = SegOpsClient(
            api_url,
            api_key,
            get_user=self._reject_public_key,
            batch_size=BATCH_SIZE,
            on_error=self._errors.append,
            spool=spool,
            **options,
        )

    def __enter__(self) -> EventSender:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.shutdown(timeout=0)  # everything is settled, or the user does not want to wait

    def wait(self, limit: int = 0, show: Callable[[int], None] = lambda _settled: None) -> Stats:
        """Wait until at most `limit` events are pending.

        Args:
            limit: The number of events that may stay pending.
            show: Receives the number of settled events, for a progress bar.

        Raises:
            SegOpsApiError: SegOps refuses the events, and a retry would not help or did not help in time.
            SegOpsTransportError: SegOps was unreachable for too long.
            SegOpsConfigError: The key is a public one.
        """
        while True:
            stats = self.client.stats()
            self._check()
            settled = stats.accepted - stats.pending
            show(settled)
            self._sort_errors()
            if self._count_pending(stats) <= limit:
                return stats
            self._check_progress(settled)
            self.client.flush(_TICK)

    @staticmethod
    def public_key_error() -> SegOpsConfigError:
        """Return the error of a public key."""
        return SegOpsConfigError("a public key (pk_) can send the events of one user only: use a secret key (sk_)")

    def _check(self) -> None:
        """Raise what makes all further waiting pointless."""
        if self._key_error is not None:
            raise self._key_error

    def _count_pending(self, stats: Stats) -> int:
        return stats.pending

    def _reject_public_key(self) -> UserContext:
        """Stand in for `get_user`, which the client calls for public keys only."""
        self._key_error = self.public_key_error()
        raise self._key_error

    def _sort_errors(self) -> None:
        while self._errors:
            error = self._errors.popleft()
            if isinstance(error, SegOpsApiError | SegOpsTransportError):
                self._note_failure(error)
            else:
                self._on_other_error(error)

    def _note_failure(self, error: SegOpsApiError | SegOpsTransportError) -> None:
        now = time.monotonic()
        if self._pending_error is None:
            self._progress_at = now  # until now there was nothing to do
        self._pending_error = error
        if (delay := _asked_delay(error)) <= _MAX_DELAY:
            self._asked_to_wait_until = now + delay

    def _check_progress(self, settled: int) -> None:
        """Raise an error that retries do not cure, or have not cured in time."""
        now = time.monotonic()
        if settled > self._settled:
            self._settled, self._progress_at = settled, now
            if self._pending_error is not None and self._patience_for(self._pending_error):
                self._pending_error = None  # it has passed; a permanent one is reported only once
        error = self._pending_error
        if error is not None and now - max(self._progress_at, self._asked_to_wait_until) >= self._patience_for(error):
            raise error

    def _patience_for(self, error: SegOpsApiError | SegOpsTransportError) -> float:
        if isinstance(error, SegOpsTransportError):
            return self._network_patience
        is_passing = event_action(error.status) is Action.RETRY and _asked_delay(error) <= _MAX_DELAY
        return self._server_patience if is_passing else 0.0


def _asked_delay(error: SegOpsApiError | SegOpsTransportError) -> float:
    """Return the seconds that the server asks to wait."""
    return (retry_after(error.headers, time.time()) or 0.0) if isinstance(error, SegOpsApiError) else 0.0
