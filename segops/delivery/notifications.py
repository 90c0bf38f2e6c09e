"""Tells the host what happened: the log, `on_error` and observers, off the caller's thread and under no lock."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence

from segops.core.errors import DropReason, SegOpsApiError, SegOpsError, SegOpsEventError
from segops.core.hookspecs import Observer
from segops.core.retry import Clock
from segops.delivery.ledger import Ledger
from segops.delivery.log import is_set_up, warn
from segops.delivery.queue import EventQueue
from segops.utils.concurrency import Bell

OnError = Callable[[Exception], None]

_KEPT_ERRORS = 1000
_LOG_EVERY = 60.0


class Notifier:
    """Collects what happened from any thread and tells it when the worker asks it to.

    Each error is passed to `on_error`; the log gets one line per kind of error and minute, unless there is an
    `on_error` and the line would only be printed on stderr. Errors beyond the newest thousand that wait to be told are
    only counted; the counts given to observers stay exact.

    Attributes:
        rounds_begun: Dispatch rounds that have begun.
        rounds_ended: Dispatch rounds that have ended.
        dispatched: Rung after each round.
    """

    def __init__(
        self, ledger: Ledger, queue: EventQueue, on_error: OnError | None, observers: Sequence[Observer], clock: Clock
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._on_error = on_error
        self._observers = observers
        self._clock = clock
        self._errors: deque[Exception] = deque(maxlen=_KEPT_ERRORS)
        self._notices: deque[Callable[[Observer], None]] = deque()
        self._reported_drops: dict[DropReason, int] = {}
        self._logged: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._dispatching_thread: int | None = None
        self.rounds_begun = 0
        self.rounds_ended = 0
        self.dispatched = Bell()

    def error(self, error: Exception) -> bool:
        """Note an error and say whether it is the first that waits to be told; takes no lock.

        One that comes from the report of another is not told in its turn: that would never end.
        """
        self._ledger.last_error = f"{type(error).__name__}: {error}"
        if self.is_dispatching():
            return False
        self._errors.append(error)
        return len(self._errors) == 1

    def delivered(self, count: int, seconds: float) -> None:
        """Note a request that the server took."""
        if self._observers:
            self._notices.append(lambda observer: observer.on_delivered(count, seconds))

    def retry(self, error: Exception, delay: float) -> None:
        """Note a request that failed and will be repeated."""
        if self._observers:
            self._notices.append(lambda observer: observer.on_retry(error, delay))

    def is_dispatching(self) -> bool:
        """Tell whether this very thread is inside `tell`, so that whatever it tracks came from our own report."""
        return self._dispatching_thread is not None and self._dispatching_thread == threading.get_ident()

    def dispatch(self) -> None:
        """Pass on all that was noted. Whatever the host's code raises stays here.

        Once the interpreter is finalizing nobody is told: a lock of the log, or of the host, may be held by a thread
        that does not run any more.
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
        """Pass on what was noted before it began; whoever waits for that does not wait for what comes meanwhile."""
        self.rounds_begun += 1
        for _ in range(len(self._errors)):
            self._dispatch_error(self._errors.popleft())
        for _ in range(len(self._notices)):
            self._observe(self._notices.popleft())
        self._dispatch_drops()
        self.rounds_ended = self.rounds_begun
        self.dispatched.ring()

    def _dispatch_error(self, error: Exception) -> None:
        if self._on_error is None or is_set_up():
            self._log(error)
        if self._on_error is not None:
            try:
                self._on_error(error)
            except Exception as raised:  # noqa: BLE001 - the host's code may raise anything
                self._log(_without_text(raised), "on_error raised")

    def _dispatch_drops(self) -> None:
        if not self._observers:
            return
        for reason, count in self._ledger.dropped().items():
            news = count - self._reported_drops.get(reason, 0)
            self._reported_drops[reason] = count
            if news:
                self._observe(lambda observer, reason=reason, news=news: observer.on_drop(reason, news))  # type: ignore[misc]

    def _observe(self, notice: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                notice(observer)
            except Exception as raised:  # noqa: BLE001 - the host's code may raise anything
                self._log(_without_text(raised), f"observer {type(observer).__name__} raised")

    def _log(self, error: Exception, message: str = "segops") -> None:
        kind = _kind(error)
        now = self._clock.monotonic()
        since, silent = self._logged.get(kind, (-_LOG_EVERY, 0))
        if now - since < _LOG_EVERY:
            self._logged[kind] = (since, silent + 1)
            return
        self._logged[kind] = (now, 0)
        fields: dict[str, object] = {"kind": kind, "error": str(error)}
        if silent:
            fields["more_since_last_line"] = silent
        with contextlib.suppress(Exception):  # a broken log handler cannot be reported: there is no log
            warn(message, **fields)


def _without_text(raised: Exception) -> Exception:
    """Return an error that says what the host's code raised, and where: the text may hold what it was told."""
    trace = raised.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return SegOpsError(f"{type(raised).__name__} was raised{where}")


def _kind(error: Exception) -> str:
    if isinstance(error, SegOpsEventError):
        return f"dropped: {error.reason}"
    if isinstance(error, SegOpsApiError):
        return f"{type(error).__name__} {error.status}"
    return type(error).__name__
