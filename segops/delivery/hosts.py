"""Hosts that do not tell Python of a fork or of an exit: multiprocessing, Celery, uWSGI. Each is asked in its own way.

None of them is imported here: what is not loaded is not the host.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from segops.core.errors import SegOpsConfigError

_LAST = -100
"""After all other finalizers: what they track is sent, too."""

_asked: set[str] = set()


def tell_of_exit(close: Callable[[], None]) -> None:
    """Have `close` called at the end of the children of multiprocessing and Celery: they leave atexit out.

    It is to be called when the SDK is imported and in each forked child: the libraries may be loaded in between.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None and "multiprocessing" not in _asked:
        _asked.add("multiprocessing")
        util.register_after_fork(close, _finalize)  # a child begins by forgetting all finalizers, then calls these
        if sys.modules["multiprocessing.process"].parent_process() is not None:
            _finalize(close)
    signals = sys.modules.get("celery.signals")
    if signals is not None and "celery" not in _asked:
        _asked.add("celery")
        signals.worker_process_shutdown.connect(lambda **_: close(), weak=False)


def tell_of_fork(start_afresh: Callable[[], None]) -> None:
    """Have `start_afresh` called in the workers of uWSGI: unless told otherwise, it forks without asking Python."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return
    importer = os.getpid()

    def forked() -> None:
        if os.getpid() != importer:  # the first worker may be the process itself
            start_afresh()

    try:
        from uwsgidecorators import postfork  # noqa: PLC0415 - keeps a list of hooks
    except Exception:  # noqa: BLE001 - it is not installed, or refuses to work without a master process
        before = getattr(uwsgi, "post_fork_hook", None)
        vars(uwsgi)["post_fork_hook"] = lambda: [hook() for hook in (before, forked) if hook is not None]
    else:
        postfork(forked)


def stops_threads() -> bool:
    """Tell whether the threads of this process run only while it serves a request: uWSGI without `enable-threads`."""
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and not {"enable-threads", "threads"} & set(uwsgi.opt)


def check_interpreter() -> None:
    """Refuse a subinterpreter: there are none of its own exit, forks and threads to rely on.

    Raises:
        SegOpsConfigError: This is not the main interpreter of the process.
    """
    for name in ("_interpreters", "_xxsubinterpreters"):  # the first from Python 3.13 on
        with suppress(ImportError):
            interpreters = import_module(name)
            if interpreters.get_current() != interpreters.get_main():
                raise SegOpsConfigError("this is a subinterpreter: make clients in the main one, or in processes")
            return


def _finalize(close: Callable[[], None]) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, close, exitpriority=_LAST)
