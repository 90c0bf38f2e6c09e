"""Run the dispatcher: on its own thread, or on the caller's."""

from __future__ import annotations

import contextlib
import threading
import time

from segops.core.errors import SegOpsError
from segops.core.retry import monotonic
from segops.delivery.config import PipelineConfig
from segops.delivery.dispatcher import Dispatcher
from segops.delivery.ledger import Ledger
from segops.delivery.notifications import Notifier
from segops.delivery.process import close_after_forking_thread
from segops.delivery.queue import NEVER, EventQueue
from segops.utils.concurrency import Bell, SoloLock, start_thread

_RESTART_AFTER = 0.5
"""Seconds. Source: docs/reliability.md, "Reliability table", row 35."""

_DISPATCH_RESERVE = 0.25
"""Seconds, at most a tenth, of the time for closing that are kept for reporting what is given up."""

_PAUSED_INTERVAL = 1.0
"""The shortest `flush_interval` during a pause, in seconds. Each flush makes a stored batch, and later a request."""

_FRAMES = 100
"""Depth of the call stack that a delivery, or the start of a thread, may need."""

_GIVEN_UP = "the client was closed before the server accepted them"


def check_stack(frames: int = _FRAMES) -> None:
    """Raise RecursionError now if a delivery would: in the middle of a request it would lose a batch."""
    if frames:
        check_stack(frames - 1)


class InlineWorker:
    """Delivers on the thread that tracks or flushes, where no other thread can run."""

    def __init__(
        self, config: PipelineConfig, queue: EventQueue, ledger: Ledger, notifier: Notifier, dispatcher: Dispatcher
    ) -> None:
        self._queue = queue
        self._ledger = ledger
        self._notifier = notifier
        self._dispatcher = dispatcher
        self._timing = config.timing
        self._clock = config.clock
        queue.arm(self._first_wake())

    def _first_wake(self) -> int:
        """Return how many waiting events wake the worker for the first time."""
        return self._timing.threshold

    def wake(self) -> None:
        """Check for work: enough events wait, or a notification does. May be called anywhere; takes no lock."""
        check_stack()
        self._dispatcher.work(wait=False)
        self._notifier.dispatch()

    def flush(self, timeout: float) -> bool:
        """Send all waiting events and notify observers.

        Returns:
            Whether the events were settled within `timeout` seconds.
        """
        check_stack()
        position = self._ledger.end()
        self._dispatcher.flush_to(position)
        self._work_until(self._clock.monotonic() + timeout)
        return self._dispatcher.outcome(position) is True

    def close(self, timeout: float) -> None:
        """Send what can be sent within `timeout` seconds, and give up the rest."""
        deadline = self._clock.monotonic() + timeout
        self._dispatcher.close(deadline)
        self._work_until(deadline)
        self._dispatcher.give_up(_GIVEN_UP)
        self._notifier.dispatch()

    def _work_until(self, deadline: float) -> None:
        position = self._ledger.end()
        end = monotonic() + deadline - self._clock.monotonic()  # should the clock stand still
        while True:
            resume = self._dispatcher.work(deadline)
            self._notifier.dispatch()
            is_known = self._dispatcher.outcome(position) is not None
            if is_known or resume is None or resume > deadline or monotonic() > end:
                return
            self._clock.sleep(max(0.0, resume - self._clock.monotonic()))


class ThreadWorker(InlineWorker):
    """Delivers on a daemon thread that the first event starts; inline until it runs."""

    def __init__(
        self, config: PipelineConfig, queue: EventQueue, ledger: Ledger, notifier: Notifier, dispatcher: Dispatcher
    ) -> None:
        super().__init__(config, queue, ledger, notifier, dispatcher)
        self._thread: threading.Thread | None = None
        self._running: threading.Thread | None = None  # until it has notified observers of everything
        self._ended = Bell()
        self._starting = SoloLock()
        self._signal = threading.Lock()
        self._signal.acquire()
        self._deadline = float("inf")
        self._has_reported = False

    def _first_wake(self) -> int:
        return 1

    def wake(self) -> None:
        """Wake or start the thread; if none can be started, do its work here and try again next time."""
        self._queue.arm(NEVER)
        try:
            if self._thread is None:
                check_stack()
            if self._thread is not None:
                self._set_signal()
            elif self._dispatcher.is_over():  # only notifications are left: no thread is started for them
                self._notifier.dispatch()
            elif not self._start():
                self._queue.arm(self._timing.threshold)
                super().wake()
        except BaseException:  # no stack, no memory, Ctrl-C: the next event wakes
            self._queue.arm(1)
            raise

    def flush(self, timeout: float) -> bool:
        """Have the thread send all waiting events, and wait for it.

        Returns:
            Whether the events were settled within `timeout` seconds.
        """
        position = self._ledger.end()
        self._dispatcher.flush_to(position)
        self.wake()
        if self._thread is None:
            return super().flush(timeout)
        if self._is_worker():  # a transport flushes: waiting here would block itself
            return False
        end = monotonic() + timeout
        self._dispatcher.progress.wait_for(lambda: self._dispatcher.outcome(position) is not None, timeout)
        settled = self._dispatcher.outcome(position) is True
        self._await_dispatch(end - monotonic())
        return settled

    def close(self, timeout: float) -> None:
        """Have the thread send what it can within `timeout` seconds, and wait for it.

        A request that hangs settles its batch later.
        """
        end = monotonic() + timeout
        self._deadline = self._clock.monotonic() + timeout
        self._dispatcher.close(self._deadline)
        if self._thread is None and self._dispatcher.is_over():
            self._notifier.dispatch()  # of broken plugins, and of what enrichers dropped
            return
        self.wake()
        if self._starting.acquire(timeout):  # another thread may be about to start it: it cannot be joined yet
            self._starting.release()
        thread = self._thread
        if thread is None or thread.ident is None:  # there is none, or this runs on top of its start
            super().close(timeout)
        elif not self._is_worker():
            patience = self._dispatcher.stop_at - self._clock.monotonic() - min(_DISPATCH_RESERVE, 0.1 * timeout)
            # Not join(): Python takes the thread for ended if a signal handler raises meanwhile.
            if not self._ended.wait_for(lambda: self._running is not thread, patience):
                self._dispatcher.give_up(_GIVEN_UP)
                self._await_dispatch(end - monotonic())

    def _is_worker(self) -> bool:
        thread = self._thread
        return thread is not None and thread.ident == threading.get_ident()

    def _await_dispatch(self, timeout: float) -> None:
        """Wait until observers have heard everything noted so far."""
        awaited = self._notifier.rounds_begun + 1
        if self._notifier.is_dispatching() or timeout <= 0:
            return
        if self._deadline < float("inf"):  # the thread may be in a request that hangs
            with contextlib.suppress(RuntimeError):
                start_thread(threading.Thread(target=self._notifier.dispatch, name="segops-closing", daemon=True))
        self._set_signal()
        self._notifier.dispatched.wait_for(lambda: self._notifier.rounds_ended >= awaited, timeout)

    def _start(self) -> bool:
        """Start the thread and return whether one runs or will run: another caller may be starting it."""
        if not self._starting.acquire(0):
            return True
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="segops", daemon=True)
                self._running = self._thread = thread
                start_thread(thread)
                close_after_forking_thread()
        except RuntimeError as error:  # no threads here, too many, or the interpreter is exiting
            self._thread = None
            if not self._has_reported:
                self._has_reported = True
                message = f"could not start a thread, so track() and flush() send events themselves ({error})"
                self._notifier.error(SegOpsError(message))
            return False
        finally:
            self._starting.release()
        return True

    def _set_signal(self) -> None:
        try:
            self._signal.release()
        except RecursionError:
            raise
        except RuntimeError:  # set already
            return

    def _run(self) -> None:
        try:
            while not self._try_work():
                time.sleep(_RESTART_AFTER)
        finally:
            self._thread = None  # first: later calls start another thread
            self._queue.arm(1)
            if self._deadline < float("inf"):
                self._dispatcher.give_up(_GIVEN_UP)
            with contextlib.suppress(BaseException):  # an observer may raise SystemExit; this thread ends anyway
                self._notifier.dispatch()
            if self._running is threading.current_thread():
                self._running = None
            self._ended.ring()

    def _try_work(self) -> bool:
        """Work until nothing is left to do; return False after an unexpected failure."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - our own bug, no memory, or SystemExit from an observer
            self._notifier.error(SegOpsError(f"the worker failed and restarts: {type(error).__name__} was raised"))
            return self._dispatcher.is_over()
        return True

    def _work(self) -> None:
        interval = self._timing.flush_interval or float("inf")  # at 0 each event wakes the worker
        last_tick = self._clock.monotonic()
        while True:
            resume = self._dispatcher.work()
            self._notifier.dispatch()
            now = self._clock.monotonic()
            if self._dispatcher.is_over() or now >= self._deadline or (resume is not None and resume > self._deadline):
                return
            is_paused = now < self._dispatcher.paused_until
            tick = last_tick + (max(interval, _PAUSED_INTERVAL) if is_paused else interval)
            if now >= tick:
                self._dispatcher.flush_to(self._ledger.end())
                last_tick = now
                continue
            self._sleep(min(tick, tick if resume is None else resume, self._deadline) - now)

    def _sleep(self, seconds: float) -> None:
        paused = self._clock.monotonic() < self._dispatcher.paused_until
        length = self._dispatcher.spill_at if paused else self._timing.threshold
        self._queue.arm(length)
        if self._queue.waiting >= length:
            return
        self._signal.acquire(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX)))
