"""What stands behind a client: buffer, ledger, notifier, delivery and worker, put together for one process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal

import msgspec

from segops.core.hookspecs import Observer
from segops.core.http import Transport
from segops.core.options import Limits
from segops.core.retry import Clock, RetryPolicy, reads_machine
from segops.core.spool import Spool, SpoolContext
from segops.delivery.dispatcher import Dispatcher
from segops.delivery.keys import ApiKey
from segops.delivery.ledger import Ledger
from segops.delivery.notifications import Notifier
from segops.delivery.queue import make_queue
from segops.delivery.spool_accounts import LedgerSpoolListener
from segops.delivery.timing import Timing
from segops.delivery.worker import InlineWorker, ThreadWorker, Worker

WorkerKind = Literal["thread", "inline"]

_SHARE_OF_CLOSING = 0.75
"""Of the time for closing, what another thread that closes the client already is waited for."""


class PipelineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a pipeline is made of; kept to make a fresh one after a fork."""

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


class Pipeline:
    """The way of an event from the buffer to the ledger. Nothing flows back.

    Attributes:
        has_owners: Whether each event must be sent under the session of its own user.
        queue: Where encoded events wait.
        ledger: Where they are counted.
        notifier: Where the host hears of them.
        delivery: What sends them.
        worker: What runs delivery.
        closing: Held by the thread that closes it; a signal handler on top of that may do so itself.
        is_closed: Whether that is done.
        known_losses: Dropped events of which a `flush` has told.
    """

    def __init__(self, plan: PipelineConfig) -> None:
        self.closing = threading.RLock()
        self.is_closed = False
        self.known_losses = 0
        self.has_owners = plan.key is not None and plan.key.is_public
        # The fast path reads the clock of the machine.
        event_types = plan.event_types if reads_machine(plan.clock) else None
        self.queue = make_queue(plan.limits, batch=plan.timing.batch, event_types=event_types, owned=self.has_owners)
        self.ledger = Ledger(self.queue, plan.clock)
        self.notifier = Notifier(self.ledger, self.queue, plan.observers)
        self.dispatcher = Dispatcher(
            queue=self.queue,
            ledger=self.ledger,
            transport=plan.transport,
            key=plan.key,
            notifier=self.notifier,
            timing=plan.timing,
            limits=plan.limits,
            retry=plan.retry,
            clock=plan.clock,
            spool=None if plan.spool is None else plan.spool.open(self._spool_context(plan)),
        )
        kind = InlineWorker if plan.worker == "inline" else ThreadWorker
        self.worker: Worker = kind(
            dispatcher=self.dispatcher,
            notifier=self.notifier,
            ledger=self.ledger,
            queue=self.queue,
            timing=plan.timing,
            clock=plan.clock,
        )
        self.queue.wake = self.worker.wake
        if self.dispatcher.has_backlog():
            self.worker.wake()

    def _spool_context(self, plan: PipelineConfig) -> SpoolContext:
        return SpoolContext(
            listener=LedgerSpoolListener(self.ledger, self.notifier),
            clock=plan.clock,
            limits=plan.limits,
            always=plan.always_spool,
            is_public=self.has_owners,
        )

    def start_closing(self, timeout: float) -> bool:
        """Take `closing` and say whether that worked; another thread may be at it for longer than `timeout` seconds.

        If so, what waits is left to the spool, for the process may end before the other one gets to that.
        """
        if self.notifier.is_dispatching():  # whoever closes the client waits for this very report
            return self.closing.acquire(blocking=False)
        if self.closing.acquire(timeout=min(_SHARE_OF_CLOSING * timeout, threading.TIMEOUT_MAX)):
            return True
        self.dispatcher.leave((1.0 - _SHARE_OF_CLOSING) * timeout)
        return False
