"""Dispatch notifications to observers, without blocking application threads and without holding a lock."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence

from segops.core.errors import DropReason, SegOpsPluginError
from segops.core.hookspecs import Observer
from segops.delivery.ledger import Ledger
from segops.delivery.queue import EventQueue
from segops.utils.concurrency import Bell

OnError = Callable[[Exception], None]

_MAX_ERRORS = 1000


class ErrorCallback(Observer):
    """Passes each error to the application's `on_error`."""

    name = "on_error"

    def __init__(self, on_error: OnError) -> None:
        self._on_error = on_error

    def on_error(self, error: Exception) -> None:
        """Call it."""
        self._on_error(error)


class Notifier:
    """Collects notifications from any thread and dispatches them when the worker asks for it.

    Only the newest 1,000 errors that wait for dispatch are kept. The counts that observers get are exact.

    Attributes:
        rounds_begun: Dispatch rounds that have begun.
        rounds_ended: Dispatch rounds that have ended.
        dispatched: Rung after each round.
    """

    def __init__(self, ledger: Ledger, queue: EventQueue, observers: Sequence[Observer]) -> None:
        self._ledger = ledger
        self._queue = queue
        self._observers = observers
        self._errors: deque[Exception] = deque(maxlen=_MAX_ERRORS)
        self._notices: deque[Callable[[Observer], None]] = deque()
        self._reported_drops: dict[DropReason, int] = {}
        self._lock = threading.Lock()
        self._dispatching_thread: int | None = None
        self.rounds_begun = 0
        self.rounds_ended = 0
        self.dispatched = Bell()

    def error(self, error: Exception) -> bool:
        """Note an error and return whether it is the first in the queue; takes no lock.

        An error that an observer causes is not dispatched to observers, which would cause it again.
        """
        self._note_last(error)
        if self.is_dispatching():
            return False
        self._errors.append(error)
        return len(self._errors) == 1

    def delivered(self, count: int, seconds: float) -> None:
        """Note a request that the server accepted."""
        self._notices.append(lambda observer: observer.on_delivered(count, seconds))

    def retry(self, error: Exception, delay: float) -> None:
        """Note a request that failed and will be repeated; observers get `on_retry`, then `on_error`."""
        self._note_last(error)
        self._notices.append(lambda observer: observer.on_retry(error, delay))
        self._notices.append(lambda observer: observer.on_error(error))

    def is_dispatching(self) -> bool:
        """Return whether the current thread is inside `dispatch`, called from an observer."""
        return self._dispatching_thread is not None and self._dispatching_thread == threading.get_ident()

    def dispatch(self) -> None:
        """Pass everything noted so far to the observers. Exceptions that they raise stay here.

        Does nothing once the interpreter is finalizing: a thread that no longer runs may hold a lock of the log or of
        the application.
        """
        if sys.is_finalizing() or not self._lock.acquire(blocking=False):
            return
        self._dispatching_thread = threading.get_ident()
        self._queue.is_direct = False
        try:
            self._dispatch_round()
            while self._errors or self._notices:
                self._dispatch_round()
        finally:
            self._queue.is_direct = True
            self._dispatching_thread = None
            self._lock.release()
            self.dispatched.ring()

    def _dispatch_round(self) -> None:
        """Dispatch what was noted before the round began, so that a round ends however much is noted meanwhile."""
        self.rounds_begun += 1
        for _ in range(len(self._notices)):
            self._notify(self._notices.popleft())
        for _ in range(len(self._errors)):
            error = self._errors.popleft()
            self._notify(lambda observer, error=error: observer.on_error(error))  # type: ignore[misc]
        self._notify_drops()
        self.rounds_ended = self.rounds_begun
        self.dispatched.ring()

    def _notify_drops(self) -> None:
        for reason, count in self._ledger.dropped().items():
            fresh = count - self._reported_drops.get(reason, 0)
            self._reported_drops[reason] = count
            if fresh:
                self._notify(lambda observer, reason=reason, fresh=fresh: observer.on_drop(reason, fresh))  # type: ignore[misc]

    def _notify(self, notice: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                notice(observer)
            except Exception as raised:  # noqa: BLE001 - third-party code may raise anything
                self._report(observer, raised)

    def _report(self, failed: Observer, raised: Exception) -> None:
        """Report to the other observers what one of them raised."""
        error = _failure_of(failed, raised)
        for observer in self._observers:
            if observer is not failed:
                with contextlib.suppress(Exception):  # a failure to report a failure goes nowhere
                    observer.on_error(error)

    def _note_last(self, error: Exception) -> None:
        self._ledger.last_error = f"{type(error).__name__}: {error}"


def _failure_of(observer: Observer, raised: Exception) -> SegOpsPluginError:
    """Return an error with the type and place of an exception, but without its text, which may quote an event."""
    trace = raised.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    who = "on_error" if isinstance(observer, ErrorCallback) else f"observer {type(observer).__name__}"
    return SegOpsPluginError(f"{who} failed: {type(raised).__name__} was raised{where}")
