"""Signals that end the process: clients are closed before one does what it has done so far."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_depth = 0
_put_off: list[int] = []


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off the signals of `close_on_signal` until the block is through: on top of it they could not close anything.

    The block must be short. Python calls handlers on the main thread only, so on others there is nothing to do.
    """
    global _depth  # noqa: PLW0603 - only the main thread gets past the next line
    if threading.get_ident() != threading.main_thread().ident:
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        while not _depth and _put_off:
            import signal  # noqa: PLC0415 - as below

            signal.raise_signal(_put_off.pop(0))


def chain(number: int, close: Callable[[], None]) -> None:
    """Have a signal call `close` before it does what it has done so far; one that is ignored stays so.

    Raises:
        ValueError: This is not the main thread, or there is no such signal.
    """
    import signal  # noqa: PLC0415 - only for those who ask for it

    before = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        if _depth:
            _put_off.append(received)
            return
        close()
        if callable(before):
            before(received, frame)
        else:
            signal.signal(received, signal.SIG_DFL)
            signal.raise_signal(received)

    if before is not signal.SIG_IGN:
        signal.signal(number, handle)
