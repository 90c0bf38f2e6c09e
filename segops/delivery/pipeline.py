"""Assemble the engine of a client in one process: queue, ledger, notifier, dispatcher, and worker."""

from __future__ import annotations

import threading

from segops.core.errors import DropReason, SegOpsEventError
from segops.core.spool import SpoolContext
from segops.delivery.config import PipelineConfig
from segops.delivery.dispatcher import Dispatcher
from segops.delivery.ledger import Ledger
from segops.delivery.notifications import Notifier
from segops.delivery.queue import make_queue
from segops.delivery.times import reads_machine
from segops.delivery.worker import InlineWorker, ThreadWorker

_CLOSING_SHARE = 0.75
"""Share of the time for closing that is spent waiting for another thread that is closing the client already."""


class Pipeline:
    """The path of an event from the queue to the ledger. Nothing flows back.

    Attributes:
        has_owners: Whether each event must be sent under its own user's session.
        queue: Encoded events that wait.
        ledger: Counts them.
        notifier: Reports them to the application.
        dispatcher: Sends them.
        worker: Runs the dispatcher.
        closing: Held by the thread that closes the pipeline; a signal handler on top of that thread may close it too.
        is_closed: Whether it is closed.
        known_losses: Dropped events that a `flush` has reported.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self.closing = threading.RLock()
        self.is_closed = False
        self.known_losses = 0
        self.has_owners = config.key is not None and config.key.is_public
        # The fast path reads the clock of the machine.
        event_types = config.event_types if reads_machine(config.clock) else None
        self.queue = make_queue(
            config.limits, batch=config.timing.batch, event_types=event_types, owned=self.has_owners
        )
        self.ledger = Ledger(self.queue, config.clock)
        self.notifier = Notifier(self.ledger, self.queue, config.observers)
        spool = None if config.spool is None else config.spool.open(self._spool_context(config))
        self.dispatcher = Dispatcher(config, self.queue, self.ledger, self.notifier, spool)
        kind = InlineWorker if config.worker == "inline" else ThreadWorker
        self.worker = kind(config, self.queue, self.ledger, self.notifier, self.dispatcher)
        self.queue.wake = self.worker.wake

    def send_backlog(self) -> None:
        """Start to send what an earlier process left in the spool, if anything.

        Not in a fork handler: Python's own handlers replace locks after ours, and a thread that waits for one of them,
        such as that of `logging`, would never wake up.
        """
        if self.dispatcher.has_backlog():
            self.worker.wake()

    def _spool_context(self, config: PipelineConfig) -> SpoolContext:
        return SpoolContext(
            listener=_SpoolListener(self.ledger, self.notifier),
            clock=config.clock,
            limits=config.limits,
            always=config.always_spool,
            is_public=self.has_owners,
        )

    def start_closing(self, timeout: float) -> bool:
        """Acquire `closing`; return False if another thread holds it for longer than `timeout` seconds.

        In that case what waits goes to the spool, because the process may end before the other thread gets to it.
        """
        if self.notifier.is_dispatching():  # the thread that closes the client waits for this very report
            return self.closing.acquire(blocking=False)
        if self.closing.acquire(timeout=min(_CLOSING_SHARE * timeout, threading.TIMEOUT_MAX)):
            return True
        self.dispatcher.leave((1.0 - _CLOSING_SHARE) * timeout)
        return False


class _SpoolListener:
    """Counts and reports what happens in the spool other than by the client's own calls."""

    def __init__(self, ledger: Ledger, notifier: Notifier) -> None:
        self._ledger = ledger
        self._notifier = notifier

    def adopted(self, count: int) -> None:
        self._ledger.adopt(count)

    def lost(self, count: int, reason: DropReason, why: str) -> None:
        self._ledger.lose(count, reason)
        self._notifier.error(SegOpsEventError(f"{count} event(s) dropped: {why}", reason=reason, count=count))

    def failed(self, error: Exception) -> None:
        self._notifier.error(error)
