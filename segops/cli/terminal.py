"""The standard streams, as commands use them.

A process may lack any of them (daemons, cron, pythonw), the reader may have gone away, and the disk behind them may be
full. Messages on stderr never fail. A result that cannot be written to stdout fails the command, as with any Unix tool.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Protocol

from segops.core import SegOpsError
from segops.utils import escape

_READ_ONLY, _WRITE_ONLY = os.O_RDONLY, os.O_WRONLY


class OutputError(SegOpsError):
    """Standard output cannot be written."""


class BinaryWriter(Protocol):
    """What a download is written to."""

    def write(self, data: bytes, /) -> object:
        """Write all of the data."""


class _Missing(io.TextIOWrapper):
    """A stand-in for a closed standard stream: each use fails as the operating system would report it."""


def open_missing_streams() -> None:
    """Occupy the descriptors of closed standard streams, so that no other file or socket gets them.

    They are opened in the wrong direction: reading and writing fail with "Bad file descriptor".
    """
    streams = (("stdin", _WRITE_ONLY, "rb"), ("stdout", _READ_ONLY, "wb"), ("stderr", _READ_ONLY, "wb"))
    for name, wrong_flags, mode in streams:
        if getattr(sys, name) is None:
            setattr(sys, name, _Missing(open(os.open(os.devnull, wrong_flags), mode)))  # noqa: SIM115, PTH123 - for the process


def close_broken_streams() -> None:
    """Redirect streams that cannot be written: the interpreter flushes them at exit, and would complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, _WRITE_ONLY), stream.fileno())


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def has_output() -> bool:
    """Return whether there is a standard output."""
    return not isinstance(sys.stdout, _Missing)


def write(text: str, *, flush: bool = False) -> None:
    """Write data to standard output as it is.

    Raises:
        OutputError: Standard output cannot be written.
        BrokenPipeError: The reader has gone away.
    """
    with translating_errors():
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()


def print_report(text: str) -> None:
    """Print what was done as text on standard output, escaped; without a standard output nothing is printed.

    Raises:
        OutputError: Standard output cannot be written.
        BrokenPipeError: The reader has gone away.
    """
    if has_output():
        write(f"{escape(text, keep=chr(10))}\n", flush=True)


@contextmanager
def translating_errors() -> Iterator[None]:
    """Distinguish errors of standard output from other OS errors.

    Raises:
        OutputError: Standard output cannot be written.
        BrokenPipeError: The reader has gone away.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror or error}") from error


def open_binary() -> BinaryWriter:
    """Return a writer of foreign bytes to standard output; a terminal gets escaped text."""
    return _BinaryOutput()


class _BinaryOutput:
    def write(self, data: bytes) -> None:
        with translating_errors():
            if is_terminal():
                sys.stdout.write(escape(data.decode("utf-8", "backslashreplace"), keep="\n\t"))
            else:
                sys.stdout.flush()
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()


def print_message(message: str) -> None:
    """Print a message to stderr, with everything but line breaks escaped; never fails."""
    write_stderr(f"{escape(message, keep=chr(10))}\n")


def print_status(text: str) -> None:
    """Redraw the last line of stderr, escaped, which nothing else was printed after; never fails."""
    write_stderr(f"\r{escape(text)}\x1b[K")


def write_stderr(text: str) -> None:
    """Write text to stderr as it is, such as a progress bar; never fails."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield stopped
    finally:
        for number, handler in before:
            signal.signal(number, handler)
