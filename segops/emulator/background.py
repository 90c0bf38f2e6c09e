"""What goes on after an answer was given."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from segops.utils import ForkLock, monotonic, runs, start_thread

_log = logging.getLogger("segops.emulator")


class Background:
    """Runs each piece of work on a daemon thread of its own."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._threads: set[threading.Thread] = set()

    def start(self, work: Callable[[], None], *, name: str = "segops-local-work") -> None:
        """Start some work; what it raises is logged."""
        thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        with self._lock:
            self._threads.add(thread)
        try:
            start_thread(thread)
        except RuntimeError:
            self._threads.discard(thread)
            raise

    def wait(self, timeout: float) -> bool:
        """Wait until all work is done, at most `timeout` seconds; tell whether it is."""
        end = monotonic() + timeout
        while (threads := self._running()) and monotonic() < end:
            threads[0].join(max(0.0, end - monotonic()))
        return not threads

    def _running(self) -> list[threading.Thread]:
        with self._lock:
            return [each for each in self._threads if each is not threading.current_thread() and runs(each)]

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - the edge of the thread: nobody else would hear of it
            _log.exception("background work of the local SegOps failed")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
