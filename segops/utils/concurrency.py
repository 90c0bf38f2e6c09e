"""Threads and locks that work at exit, in signal handlers and destructors, and in forked children."""

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
        RuntimeError: No thread can be started on this platform or at this time, or the interpreter is exiting.
    """
    if sys.is_finalizing():  # before Python 3.12, `start` would wait forever for a thread that never runs
        raise RuntimeError("the interpreter is exiting")
    thread.start()


def runs(thread: threading.Thread) -> bool:
    """Return whether a thread runs in this process, so that waiting for it makes sense.

    Threads do not run in a forked child, and daemon threads stop when the interpreter exits.
    """
    return not sys.is_finalizing() and thread.is_alive()


class SoloLock:
    """A lock that its holder cannot acquire again: a signal handler or destructor on the same thread cannot wait.

    The flag changes only under the lock, so neither another thread nor a handler can interfere.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_held = False

    def acquire(self, timeout: float = threading.TIMEOUT_MAX) -> bool:
        """Acquire the lock within `timeout` seconds; return whether that succeeded."""
        if not self._lock.acquire(timeout=min(max(timeout, 0.0), threading.TIMEOUT_MAX)):
            return False
        if self._is_held:
            self._lock.release()
            return False
        self._is_held = True
        return True

    def release(self) -> None:
        """Release the lock."""
        self._is_held = False
        self._lock.release()


class Bell:
    """Wakes threads that wait for a condition. `ring` takes no lock, so signal handlers may call it."""

    def __init__(self) -> None:
        self._waiting: set[threading.Lock] = set()

    def ring(self) -> None:
        """Make all waiting threads check their condition again."""
        for waiter in list(self._waiting):
            with contextlib.suppress(RuntimeError):  # it was rung already
                waiter.release()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait up to `timeout` seconds until the condition is true; return whether it is."""
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
    """A reentrant lock that a fork waits for, so that no child inherits it held by a thread of the parent.

    Attributes:
        is_wanted: Whether a fork is waiting for it.
        was_held: Whether this process was forked while another thread held the lock for too long. The child then has
            a new lock, but what it guards may be inconsistent.
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
        """Acquire the lock for a fork within `timeout` seconds; return whether that succeeded."""
        self.is_wanted = True
        try:
            return self._lock.acquire(timeout=max(timeout, 0.0))
        finally:
            self.is_wanted = False

    def let_go(self) -> None:
        """Release the lock after a fork."""
        self._lock.release()

    def replace(self) -> None:
        """Replace the lock in a child that inherited it held."""
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
