"""Where batches wait that memory should not hold: the seam, and the books that are kept of it.

A client without a spool loads nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from segops.core.batch import Batch, Claim
from segops.core.errors import DropReason
from segops.core.retry import Clock


class Spool(Protocol):
    """Keeps batches until the server takes them, in the order in which they came. Never raises.

    Attributes:
        always: Whether each batch is stored before it is sent, rather than when it cannot be.
    """

    always: bool

    def keep(self, batches: Sequence[Batch]) -> None:
        """Store batches; one that is stored gets its row. Those that have one already were sent in vain."""

    def take(self, blocked: Collection[Claim]) -> Batch | None:
        """Advance, and return the first batch whose claim is not blocked; it stays stored until it is removed."""

    def remove(self, batch: Batch) -> None:
        """Delete a batch whose fate is known."""

    def split(self, batch: Batch, parts: Sequence[Batch]) -> None:
        """Put two parts of a batch in its place; if that fails they get no rows."""

    def position(self, blocked: Collection[Claim] = ()) -> int | None:
        """Return where the first batch starts whose claim is not blocked; None without one, -1 if it cannot be told."""

    def advance(self) -> None:
        """Take over a piece of what processes left that are gone, for milliseconds at most; `take` does so, too."""

    def is_busy(self) -> bool:
        """Tell whether there is more of that."""
        ...

    def hurry(self, patience: float) -> None:
        """Break off what takes long and wait `patience` seconds for others at most: the client ends. Takes no lock."""

    def close(self) -> None:
        """Leave what is stored to the next process."""


class SpoolListener(Protocol):
    """Hears what comes to a spool, and goes from it, other than by this process's own doing."""

    def adopted(self, count: int) -> None:
        """Note events that were taken over from a process that is gone."""

    def lost(self, count: int, reason: DropReason, why: str) -> None:
        """Note stored events that are given up."""

    def failed(self, error: Exception) -> None:
        """Note what is wrong with the spool."""


OpenSpool = Callable[[SpoolListener, Clock], Spool]
"""Makes the spool of one process. It may be called in a forked child, and must not touch the disk yet."""
