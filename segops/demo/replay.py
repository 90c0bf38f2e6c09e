"""Send recorded events through `SegOpsClient`, and wait until all are settled."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from segops import Event, PageView, SegOpsConfigError, Stats
from segops.cli import EventSender, ProgressBar

_BATCH = 500
_MAX_PENDING = 1000
_NETWORK_PATIENCE = 2.0
_SERVER_PATIENCE = 60.0


class Outcome(msgspec.Struct, frozen=True):
    """What became of the events.

    Attributes:
        stats: The counts of the client at the end.
        seconds: From the first `track()` to the last response.
        url: The SegOps that they were sent to.
    """

    stats: Stats
    seconds: float
    url: str


class Replay:
    """One run against one SegOps.

    Args:
        api_url: Its URL, or None for the one in the environment.
        api_key: A secret key for it, or None for the one in the environment.
        bar: Where to show progress, and errors of plugins.
        enrich: Whether enrichers run.

    Raises:
        SegOpsConfigError: The URL or the key cannot be used.
    """

    def __init__(self, api_url: str | None, api_key: str | None, bar: ProgressBar, *, enrich: bool = True) -> None:
        self._bar = bar
        self._sender = EventSender(
            api_url,
            api_key,
            network_patience=_NETWORK_PATIENCE,
            server_patience=_SERVER_PATIENCE,
            on_other_error=lambda error: bar.print_message(f"  {error}"),
            enrich=enrich,
        )

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *details: object) -> None:
        self._sender.__exit__(*details)

    @property
    def url(self) -> str:
        """The URL that events go to."""
        return self._sender.client.transport.url

    def run(self, orders: Sequence[Event], visits: Sequence[PageView] = ()) -> Outcome:
        """Send the orders, then the visits.

        Raises:
            SegOpsApiError: SegOps refuses the events, and a retry would not help or did not help in time.
            SegOpsTransportError: SegOps cannot be reached.
            SegOpsConfigError: The key is a public one, or the SDK is disabled.
        """
        client, total = self._sender.client, len(orders)
        started = time.monotonic()
        for start in range(0, total, _BATCH):
            for order in orders[start : start + _BATCH]:
                client.track(order)
            stats = self._wait(_MAX_PENDING, total)
            if not stats.accepted:
                raise SegOpsConfigError("the SDK is disabled: unset SEGOPS_DISABLED")
        self._wait(0, total)
        for visit in visits:
            client.track_page_view(visit)
        stats = self._wait(0, total)
        return Outcome(stats, time.monotonic() - started, self.url)

    def _wait(self, limit: int, total: int) -> Stats:
        return self._sender.wait(limit, lambda settled: self._bar.show(settled, total))
