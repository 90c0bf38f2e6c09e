"""The process around the clients: they close when the interpreter exits, and start afresh in a forked child.

Some hosts report neither a fork nor an exit to Python: multiprocessing, Celery, uWSGI. Each is asked in its own way.
None of them is imported here: a host that is not loaded is not in use.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import Protocol

from segops.core.errors import SegOpsConfigError
from segops.core.retry import monotonic
from segops.utils.concurrency import start_thread
from segops.utils.logger import log


class Closeable(Protocol):
    """Something to close before the process ends."""

    @property
    def exit_timeout(self) -> float:
        """Seconds that closing it may delay the exit."""
        ...

    def shutdown(self, timeout: float) -> bool:
        """Send what waits, and stop."""
        ...

    def after_fork(self) -> None:
        """Start afresh in the child."""


_HURRIED_EXIT = 0.5
"""Seconds for all clients together after Ctrl-C."""

_AFTER_OTHER_FINALIZERS = -100
"""Priority of a finalizer of multiprocessing: events that other finalizers track are sent too."""

_watched: set[Closeable] = set()
_main_thread = threading.main_thread()
_forking_threads: list[threading.Thread] = []
_hooked_hosts: set[str] = set()
_uninterrupted_depth = 0
_deferred_signals: list[int] = []


def watch(closeable: Closeable) -> None:
    """Close it when the process ends. It is kept alive until then, with the events that it holds."""
    if _suspends_threads() and not _watched:
        log(
            "warning",
            "segops.process.threads_disabled",
            error="uWSGI runs without enable-threads, so events are sent only while a request is served, by flush(), "
            "and at exit: set enable-threads",
        )
    _watched.add(closeable)


def unwatch(closeable: Closeable) -> None:
    """Stop watching it."""
    _watched.discard(closeable)


def check_interpreter() -> None:
    """Refuse to run in a subinterpreter, which has no exit, forks and threads of its own to rely on.

    Raises:
        SegOpsConfigError: This is not the main interpreter of the process.
    """
    for name in ("_interpreters", "_xxsubinterpreters"):  # the first from Python 3.13 on
        with suppress(ImportError):
            interpreters = import_module(name)
            if interpreters.get_current() != interpreters.get_main():
                raise SegOpsConfigError(
                    "clients cannot run in a subinterpreter: make them in the main interpreter, or in processes"
                )
            return


def _suspends_threads() -> bool:
    """Return whether threads run only while a request is served: uWSGI without `enable-threads`."""
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and not {"enable-threads", "threads"} & set(uwsgi.opt)


@atexit.register
def _close_at_exit() -> None:
    """Close all clients. They share one span of time, so that the exit is not delayed by the sum."""
    try:
        _close_all(None)
    except BaseException:  # Ctrl-C: what waits still goes to the spool
        _close_all(_HURRIED_EXIT)
        raise


def _close_all(seconds: float | None) -> None:
    started = monotonic()
    for closeable in list(_watched):
        end = started + (closeable.exit_timeout if seconds is None else min(seconds, closeable.exit_timeout))
        closeable.shutdown(max(0.0, end - monotonic()))


def close_after_forking_thread() -> None:
    """In a child that was forked on a thread other than the main one, close all clients once that thread returns.

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
        _close_at_exit()


def _hook_exit_of_hosts() -> None:
    """Close clients at the end of the children of multiprocessing and Celery, which skip atexit.

    Called when the SDK is imported and in each forked child: the libraries may be loaded in between.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None and "multiprocessing" not in _hooked_hosts:
        _hooked_hosts.add("multiprocessing")
        util.register_after_fork(_close_at_exit, _finalize)  # a child begins by forgetting all finalizers
        if sys.modules["multiprocessing.process"].parent_process() is not None:
            _finalize(_close_at_exit)
    signals = sys.modules.get("celery.signals")
    if signals is not None and "celery" not in _hooked_hosts:
        _hooked_hosts.add("celery")
        signals.worker_process_shutdown.connect(lambda **_: _close_at_exit(), weak=False)


def _finalize(close: Callable[[], None]) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, close, exitpriority=_AFTER_OTHER_FINALIZERS)


def _after_fork_in_child() -> None:
    _forking_threads.clear()
    for closeable in list(_watched):
        closeable.after_fork()
    _hook_exit_of_hosts()


def _hook_forks_of_uwsgi() -> None:
    """Start afresh in the workers of uWSGI, which forks without Python's hooks by default."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return
    importer = os.getpid()

    def forked() -> None:
        if os.getpid() != importer:  # the first worker may be the process itself
            _after_fork_in_child()

    try:
        from uwsgidecorators import postfork  # noqa: PLC0415 - keeps a list of hooks
    except Exception:  # noqa: BLE001 - it is not installed, or refuses to work without a master process
        before = getattr(uwsgi, "post_fork_hook", None)
        vars(uwsgi)["post_fork_hook"] = lambda: [hook() for hook in (before, forked) if hook is not None]
    else:
        postfork(forked)


def close_on_signal(number: int) -> None:
    """Close all clients when a signal such as `signal.SIGTERM` arrives, before it does what it did until now.

    A signal without a handler ends a process without any of its exit code. Call this on the main thread, after the
    application has set its own handler, if it has one. A signal that is ignored stays ignored.

    Raises:
        ValueError: This is not the main thread, or the signal does not exist.
    """
    import signal  # noqa: PLC0415 - only for those who ask for it

    before = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        if _uninterrupted_depth:
            _deferred_signals.append(received)
            return
        _close_at_exit()
        if callable(before):
            before(received, frame)
        else:
            signal.signal(received, signal.SIG_DFL)
            signal.raise_signal(received)

    if before is not signal.SIG_IGN:
        signal.signal(number, handle)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Defer the signals of `close_on_signal` until the block ends: inside it a handler could not close anything.

    The block must be short. Python calls handlers on the main thread only, so on others there is nothing to do.
    """
    global _uninterrupted_depth  # noqa: PLW0603 - only the main thread gets past the next line
    if threading.get_ident() != threading.main_thread().ident:
        yield
        return
    _uninterrupted_depth += 1
    try:
        yield
    finally:
        _uninterrupted_depth -= 1
        while not _uninterrupted_depth and _deferred_signals:
            import signal  # noqa: PLC0415 - as above

            signal.raise_signal(_deferred_signals.pop(0))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

_hook_exit_of_hosts()
_hook_forks_of_uwsgi()
