"""Run task after a response was sent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from segops.utils import ForkLock, monotonic, runs, start_thread

_log = logging.getLogger("segops.emulator")


class BackgroundTasks:
    """Runs each task on its own daemon thread."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._threads: set[threading.Thread] = set()

    def start(self, task: Callable[[], None], *, name: str = "segops-local-task") -> None:
        """Start a task. Exceptions are logged."""
        thread = threading.Thread(target=self._run, args=(task,), name=name, daemon=True)
        with self._lock:
            self._threads.add(thread)
        try:
            start_thread(thread)
        except RuntimeError:
            self._threads.discard(thread)
            raise

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for all tasks, and return whether they have finished."""
        end = monotonic() + timeout
        while (threads := self._running()) and monotonic() < end:
            threads[0].join(max(0.0, end - monotonic()))
        return not threads

    def _running(self) -> list[threading.Thread]:
        with self._lock:
            return [each for each in self._threads if each is not threading.current_thread() and runs(each)]

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception:  # noqa: BLE001 - the edge of the thread
            _log.exception("background task of the local SegOps failed")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
