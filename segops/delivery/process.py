"""The life of the process: clients are closed when the interpreter exits, and start afresh in a forked child."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from typing import Protocol

from segops.core.retry import monotonic
from segops.delivery import signals
from segops.delivery.hosts import stops_threads, tell_of_exit, tell_of_fork
from segops.utils.concurrency import start_thread
from segops.utils.logger import log


class Closeable(Protocol):
    """What is watched."""

    @property
    def exit_timeout(self) -> float:
        """Seconds that the exit may be delayed for it."""
        ...

    def shutdown(self, timeout: float) -> bool:
        """Send what waits, and stop."""
        ...

    def after_fork(self) -> None:
        """Start afresh in the child."""


_HASTE = 0.5
"""Seconds for all clients together, where somebody does not want to wait for the exit."""

_watched: set[Closeable] = set()
_main_thread = threading.main_thread()
_forking_threads: list[threading.Thread] = []


def watch(closeable: Closeable) -> None:
    """Watch it until it is closed; it is kept alive until then, with the events that it holds."""
    if stops_threads() and not _watched:
        log(
            "warning",
            "segops.process.threads_disabled",
            error="uWSGI runs without enable-threads, so events are sent only while a request is served, by flush(), "
            "and at exit: set enable-threads",
        )
    _watched.add(closeable)


def unwatch(closeable: Closeable) -> None:
    """Watch it no longer."""
    _watched.discard(closeable)


def close_on_signal(number: int) -> None:
    """Have a signal, such as `signal.SIGTERM`, close all clients before it does what it has done so far.

    A signal that nobody handles ends a process without any of its exit code. Call it on the main thread, after the
    application has set a handler of its own, if it has one; a signal that is ignored stays so.

    Raises:
        ValueError: This is not the main thread, or there is no such signal.
    """
    signals.chain(number, _at_exit)


def close_after_forking_thread() -> None:
    """In a child that was forked on another thread than the main one, close all clients once that thread returns.

    Python runs no exit code there, and the process would live on as long as the thread of a client does.
    """
    thread = threading.main_thread()  # the one that forked
    if thread is _main_thread or _forking_threads:
        return
    _forking_threads.append(thread)
    start_thread(threading.Thread(target=_close_after, args=(thread,), name="segops-exit", daemon=True))


def _close_after(thread: threading.Thread) -> None:
    with suppress(RuntimeError, AssertionError):  # Python did not make it, and does not know when it ends
        thread.join()
        _at_exit()


@atexit.register
def _at_exit() -> None:
    """Close all that is open. They share one span of time: the exit is not delayed by the sum."""
    try:
        _close_all(None)
    except BaseException:  # Ctrl-C: what waits still goes to the spool
        _close_all(_HASTE)
        raise


def _close_all(seconds: float | None) -> None:
    started = monotonic()
    for closeable in list(_watched):
        end = started + (closeable.exit_timeout if seconds is None else min(seconds, closeable.exit_timeout))
        closeable.shutdown(max(0.0, end - monotonic()))


def _after_fork_in_child() -> None:
    _forking_threads.clear()
    for closeable in list(_watched):
        closeable.after_fork()
    tell_of_exit(_at_exit)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

tell_of_exit(_at_exit)
tell_of_fork(_after_fork_in_child)
