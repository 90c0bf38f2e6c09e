"""Threads, locks and a clock that hold at exit, in signal handlers and destructors, in forked children and in tests."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Callable

from segops.core.retry import monotonic

_FORK_PATIENCE = 5.0
"""Seconds that a fork waits for all locks together."""


def start_thread(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        RuntimeError: This platform has no threads, there are no more of them, or the interpreter is exiting.
    """
    if sys.is_finalizing():  # before Python 3.12 it would never run, and `start` would wait for it without end
        raise RuntimeError("the interpreter is exiting")
    thread.start()


def runs(thread: threading.Thread) -> bool:
    """Tell whether a thread runs in this process, so that it can be waited for.

    In a forked child it does not, and once the interpreter is exiting daemon threads stand still for good.
    """
    return not sys.is_finalizing() and thread.is_alive()


class SoloLock:
    """A lock that refuses its own holder at once: a signal handler or destructor that runs on top of it cannot wait.

    Both flags are only touched under the lock, so neither another thread nor a handler can come in between.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_held = False

    def acquire(self, timeout: float = threading.TIMEOUT_MAX) -> bool:
        """Take it and say whether that worked within `timeout` seconds."""
        if not self._lock.acquire(timeout=min(max(timeout, 0.0), threading.TIMEOUT_MAX)):
            return False
        if self._is_held:
            self._lock.release()
            return False
        self._is_held = True
        return True

    def release(self) -> None:
        """Give it back."""
        self._is_held = False
        self._lock.release()


class Bell:
    """Wakes whoever waits for a condition. Ringing takes no lock, so that it may happen anywhere."""

    def __init__(self) -> None:
        self._waiting: set[threading.Lock] = set()

    def ring(self) -> None:
        """Have all who wait look at their condition again."""
        for waiter in list(self._waiting):
            with contextlib.suppress(RuntimeError):  # it was rung already
                waiter.release()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until the condition holds, `timeout` seconds at most, and say whether it does."""
        end = monotonic() + timeout
        waiter = threading.Lock()
        waiter.acquire()
        self._waiting.add(waiter)
        try:
            while not condition():
                left = min(end - monotonic(), threading.TIMEOUT_MAX)
                if left <= 0 or not waiter.acquire(timeout=left):
                    return condition()
            return True
        finally:
            self._waiting.discard(waiter)


class ForkLock:
    """A reentrant lock that a fork waits for: no child inherits it held by a thread that the child does not have.

    Attributes:
        is_wanted: Whether a fork waits for it.
        was_held: Whether this process was forked while another thread held it for too long. The child has a lock of
            its own then, but what it guards may be in the middle of a change.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.is_wanted = False
        self.was_held = False
        _fork_locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def hold(self, timeout: float) -> bool:
        """Take it for a fork and say whether that worked within `timeout` seconds."""
        self.is_wanted = True
        try:
            return self._lock.acquire(timeout=max(timeout, 0.0))
        finally:
            self.is_wanted = False

    def let_go(self) -> None:
        """Give it back after a fork."""
        self._lock.release()

    def replace(self) -> None:
        """Begin with a fresh one in a child that inherited it held."""
        self._lock = threading.RLock()
        self.was_held = True


_fork_locks: weakref.WeakSet[ForkLock] = weakref.WeakSet()
_forking: list[list[tuple[ForkLock, bool]]] = []


def _before_fork() -> None:
    end = monotonic() + _FORK_PATIENCE
    _forking.append([(lock, lock.hold(end - monotonic())) for lock in list(_fork_locks)])


def _after_fork_in_parent() -> None:
    for lock, is_held in _forking.pop():
        if is_held:
            lock.let_go()


def _after_fork_in_child() -> None:
    for lock, is_held in _forking.pop():
        if is_held:
            lock.let_go()
        else:
            lock.replace()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
