"""The limits of a client, and checks of options."""

from __future__ import annotations

import math

import msgspec

from segops.core.errors import SegOpsConfigError

MAX_BATCH_EVENTS = 500
"""Maximum number of events that the batch endpoint accepts."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a client.

    Attributes:
        max_events: Events in memory; beyond that, new ones are dropped (`queue_full`). Each takes about 110 bytes more
            than its encoding.
        max_bytes: Bytes of encoded events in memory; beyond that, new ones are dropped (`queue_full`). With a public
            key, the `UserContext` of each event counts, too: 150 bytes and its texts.
        max_event_bytes: Bytes of one encoded event; a larger one is dropped (`too_large`).
        batch_events: Events in one request; at most 500.
        batch_bytes: Bytes in the body of one request.
        hold: Seconds for which a batch is kept in memory while the server refuses it or cannot be reached.
        spool_bytes: Size of the spool file; beyond that, the oldest batches are dropped (`undeliverable`).
        spool_age: Seconds for which a batch is kept in the spool.
        shutdown: Maximum seconds for `shutdown()` without a `timeout`.
        exit: Maximum seconds by which the exit of the interpreter is delayed.
    """

    max_events: int = 150_000
    max_bytes: int = 32 * 1024 * 1024
    max_event_bytes: int = 32 * 1024
    batch_events: int = MAX_BATCH_EVENTS
    batch_bytes: int = 1024 * 1024
    hold: float = 300.0
    spool_bytes: int = 256 * 1024 * 1024
    spool_age: float = 72 * 3600.0
    shutdown: float = 5.0
    exit: float = 2.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            check_number(f"limits.{name}", getattr(self, name), minimum=0)
        if not 1 <= self.batch_events <= MAX_BATCH_EVENTS:
            raise SegOpsConfigError(
                f"limits.batch_events must be from 1 to {MAX_BATCH_EVENTS}, got {self.batch_events}"
            )

    @property
    def spill_events(self) -> int:
        """Queued events that are worth writing to the spool: a batch, or fewer if memory is smaller."""
        return max(1, min(self.batch_events, self.max_events // 2, self.max_bytes // max(1, self.max_event_bytes) // 2))


def check_number(name: str, value: object, *, minimum: float) -> None:
    """Raise SegOpsConfigError unless `value` is a finite number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < minimum:
        raise SegOpsConfigError(f"{name} must be a number of at least {minimum}, got {value!r}")
