"""The configuration of the engine: when events are sent, and what a pipeline is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from segops.core.errors import SegOpsConfigError
from segops.core.hookspecs import Observer
from segops.core.http import Transport
from segops.core.options import Limits, check_number
from segops.core.retry import Clock, RetryPolicy
from segops.core.spool import Spool
from segops.delivery.keys import ApiKey

DEFAULT_BATCH_SIZE = 20

WorkerKind = Literal["thread", "inline"]


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When events are sent.

    Attributes:
        batch: Whether events are collected; if not, each goes to the single-event endpoint at once.
        batch_size: Waiting events that start a flush. A flush takes what is there: this does not cap a request.
        flush_interval: Seconds after which waiting events are sent in any case; 0 for at once.
        timeout: Seconds that one request may take in all.

    Source: TypeScript SDK, "Constructor Options".
    """

    batch: bool = True
    batch_size: int = DEFAULT_BATCH_SIZE
    flush_interval: float = 5.0
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if type(self.batch_size) is not int:
            raise SegOpsConfigError(f"batch_size must be a whole number of events, got {self.batch_size!r}")
        check_number("flush_interval", self.flush_interval, minimum=0)
        check_number("timeout", self.timeout, minimum=0)
        if self.timeout == 0:
            raise SegOpsConfigError("timeout must be more than 0 seconds, got 0")

    @property
    def threshold(self) -> int:
        """Waiting events that wake the worker. As in the vendor's client, a size below 1 means the default."""
        if not self.batch or self.flush_interval == 0:
            return 1
        return self.batch_size if self.batch_size > 0 else DEFAULT_BATCH_SIZE


class PipelineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of a pipeline; a forked child makes a new one from it.

    Attributes:
        transport: Sends the requests.
        key: Authorizes them; None if the transport does not reach SegOps.
        event_types: The types of events that enrichers want; None if one wants all.
        timing: When events are sent.
        limits: Bounds of memory, batches and time.
        retry: How failed requests are repeated.
        clock: The clocks.
        worker: Which worker runs the dispatcher.
        observers: Get what happens to events.
        spool: Where events wait that cannot be delivered.
        always_spool: Whether each batch is stored before it is sent.
    """

    transport: Transport
    key: ApiKey | None
    event_types: frozenset[str] | None
    timing: Timing
    limits: Limits
    retry: RetryPolicy
    clock: Clock
    worker: WorkerKind
    observers: Sequence[Observer]
    spool: Spool | None
    always_spool: bool
