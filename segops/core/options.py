"""The options of a client: frozen values, checked when they are made."""

from __future__ import annotations

import math

import msgspec

from segops.core.errors import SegOpsConfigError

MAX_BATCH_EVENTS = 500
"""The most events that the batch endpoint takes."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a client.

    Attributes:
        max_events: Events held in memory; the newest are dropped beyond (`queue_full`). Each takes some 110 bytes more
            than its encoding, which this bounds.
        max_bytes: Bytes of encoded events held in memory; the newest are dropped beyond. With a public key, what each
            event's `UserContext` takes counts as well: 330 bytes and its texts.
        max_event_bytes: Bytes of one encoded event; a larger one is dropped (`too_large`).
        batch_events: Events in one request; at most 500.
        batch_bytes: Bytes of one request's body.
        hold: Seconds that a batch is kept in memory while the server refuses it or cannot be reached.
        spool_bytes: Size of the spool's file; the oldest batches are dropped beyond (`undeliverable`).
        spool_age: Seconds that a batch is kept in the spool.
        shutdown: Seconds that `shutdown()` takes at most, unless told otherwise.
        exit: Seconds that the exit of the interpreter is delayed at most.
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
                f"limits.batch_events is {self.batch_events}: the server takes 1 to {MAX_BATCH_EVENTS} events at a time"
            )

    @property
    def spill_events(self) -> int:
        """Waiting events that are worth a move to the spool: a batch, unless memory holds less."""
        return max(1, min(self.batch_events, self.max_events // 2, self.max_bytes // max(1, self.max_event_bytes) // 2))


def check_number(name: str, value: object, *, minimum: float) -> None:
    """Raise SegOpsConfigError unless `value` is a finite number that is not below `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < minimum:
        raise SegOpsConfigError(f"{name} is {value!r}: give a number that is at least {minimum}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise SegOpsConfigError unless `value` is one of `choices`."""
    if value not in choices:
        raise SegOpsConfigError(f"{name} is {value!r}: give one of {', '.join(choices)}")
