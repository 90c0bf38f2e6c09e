"""Sends the events through a `SegOpsClient` and waits until their fate is known."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence

import msgspec

from segops import (
    Event,
    PageView,
    SegOpsApiError,
    SegOpsClient,
    SegOpsConfigError,
    SegOpsTransportError,
    Stats,
    UserContext,
)
from segops.core import Action, event_action
from segops.demo.progress import Progress

_BATCH = 500
_MOST_WAITING = 1000
_TICK = 0.05

_NETWORK_PATIENCE = 2.0
_SERVER_PATIENCE = 60.0


class Outcome(msgspec.Struct, frozen=True):
    """What became of the events.

    Attributes:
        stats: The ledger of the client at the end.
        seconds: From the first `track()` to the last answer.
        where: The SegOps that they went to.
    """

    stats: Stats
    seconds: float
    where: str


class Replay:
    """One run against one SegOps.

    Args:
        api_url: Where it is, or None for what the environment says.
        api_key: A secret key for it, or None for what the environment says.
        enrich: Whether enrichers run.

    Raises:
        SegOpsConfigError: URL or key cannot be used.
    """

    def __init__(self, api_url: str | None, api_key: str | None, *, enrich: bool = True) -> None:
        # Errors reach the user through `_tell`; without a handler they would appear a second time, as log lines.
        logging.getLogger("segops").addHandler(logging.NullHandler())
        self._errors: deque[Exception] = deque()
        self._misuse: SegOpsConfigError | None = None
        self._trouble: SegOpsApiError | SegOpsTransportError | None = None
        self._delivered = 0
        self._moved_at = 0.0
        self._client = SegOpsClient(
            api_url,
            api_key,
            get_user=self._refuse_public_key,
            batch_size=_BATCH,
            on_error=self._errors.append,
            enrich=enrich,
            spool=False,  # what waits there is for another SegOps
        )

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.shutdown(timeout=0)  # all is delivered by now, or the user does not want to wait for it

    @property
    def where(self) -> str:
        """The SegOps that events go to."""
        return self._client.transport.url

    def run(self, orders: Sequence[Event], visits: Sequence[PageView], progress: Progress) -> Outcome:
        """Send the orders, then the visits.

        Raises:
            SegOpsApiError: SegOps refuses them, for a reason that waiting does not cure or for too long.
            SegOpsTransportError: SegOps cannot be reached.
            SegOpsConfigError: The key is a public one, or the SDK is turned off.
        """
        started = self._moved_at = time.monotonic()
        for start in range(0, len(orders), _BATCH):
            for order in orders[start : start + _BATCH]:
                self._client.track(order)
            self._wait(_MOST_WAITING, progress)
        self._wait(0, progress)
        for visit in visits:
            self._client.track_page_view(visit)
        stats = self._wait(0, progress)
        return Outcome(stats, time.monotonic() - started, self.where)

    def _refuse_public_key(self) -> UserContext:
        """Stand in for `get_user`, which the client asks only if its key is a public one."""
        self._misuse = SegOpsConfigError(
            "the demo sends the events of many users, but a public key (pk_) speaks for one: pass a secret key (sk_)"
        )
        raise self._misuse

    def _wait(self, most: int, progress: Progress) -> Stats:
        """Wait until at most so many events are pending."""
        while True:
            stats = self._client.stats()
            if self._misuse is not None:
                raise self._misuse
            if not stats.accepted:
                raise SegOpsConfigError("the SDK takes no events because SEGOPS_DISABLED is set: unset it")
            progress.show(stats.accepted - stats.pending)
            self._tell(progress)
            if stats.pending <= most:
                return stats
            self._check(stats.delivered)
            self._client.flush(_TICK)

    def _tell(self, progress: Progress) -> None:
        """Keep the trouble that requests are in; show all other errors."""
        while self._errors:
            error = self._errors.popleft()
            if isinstance(error, (SegOpsApiError, SegOpsTransportError)):
                self._trouble = error
            else:
                progress.say(f"  {error}")

    def _check(self, delivered: int) -> None:
        """Raise what stops the events, unless it may still pass."""
        now = time.monotonic()
        if delivered > self._delivered:
            self._delivered, self._moved_at = delivered, now
            if self._trouble is not None and _patience(self._trouble):
                self._trouble = None  # it has passed; one that does not is told only once
        if self._trouble is not None and now - self._moved_at >= _patience(self._trouble):
            raise self._trouble


def _patience(error: SegOpsApiError | SegOpsTransportError) -> float:
    """Return the seconds after which an error is taken to be there to stay."""
    if isinstance(error, SegOpsTransportError):
        return _NETWORK_PATIENCE
    return _SERVER_PATIENCE if event_action(error.status) is Action.RETRY else 0.0
