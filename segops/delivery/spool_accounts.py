"""Keeps the ledger of what comes to a spool and goes from it."""

from __future__ import annotations

from segops.core.errors import DropReason, SegOpsEventError
from segops.delivery.ledger import Ledger
from segops.delivery.notifications import Notifier


class LedgerSpoolListener:
    """Keeps the books of what comes to a spool, and goes from it, other than by this process's own doing."""

    def __init__(self, ledger: Ledger, notifier: Notifier) -> None:
        self._ledger = ledger
        self._notifier = notifier

    def adopted(self, count: int) -> None:
        """Note events that were taken over from a process that is gone."""
        self._ledger.adopt(count)

    def lost(self, count: int, reason: DropReason, why: str) -> None:
        """Note stored events that are given up."""
        self._ledger.lose(count, reason)
        self._notifier.error(SegOpsEventError(f"{count} event(s) dropped: {why}", reason=reason, count=count))

    def failed(self, error: Exception) -> None:
        """Note what is wrong with the spool."""
        self._notifier.error(error)
