"""The standard streams, as commands of the program use them.

A process may have none of them (daemons, cron, pythonw), nobody may read them, and the disk behind them may be full.
What goes to stderr is advice: it never fails. What goes to stdout is the result: if it cannot be written the command
failed, as any Unix tool does.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from segops.core import SegOpsError
from segops.utils import escape

_READS, _WRITES = os.O_RDONLY, os.O_WRONLY


class OutputError(SegOpsError):
    """The standard output cannot be written."""


class BinaryWriter(Protocol):
    """What a download is written to."""

    def write(self, data: bytes, /) -> object:
        """Write all of it."""


class _Missing(io.TextIOWrapper):
    """Stands in for a standard stream that is closed: each use of it fails as the operating system has it."""


def open_missing_streams() -> None:
    """Occupy the numbers of standard streams that are closed, so that no other file or socket gets them.

    They are opened in the wrong direction: reading and writing fail with "Bad file descriptor".
    """
    for name, wrong, mode in (("stdin", _WRITES, "rb"), ("stdout", _READS, "wb"), ("stderr", _READS, "wb")):
        if getattr(sys, name) is None:
            setattr(sys, name, _Missing(open(os.open(os.devnull, wrong), mode)))  # noqa: SIM115, PTH123 - for the process


def close_broken_streams() -> None:
    """Let go of what cannot be written: the interpreter flushes both streams at exit, and would complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, _WRITES), stream.fileno())


def is_terminal() -> bool:
    """Return whether a person reads the standard output."""
    return sys.stdout.isatty()


def has_output() -> bool:
    """Return whether there is a standard output."""
    return not isinstance(sys.stdout, _Missing)


def write(text: str) -> None:
    """Write to the standard output; see `report`.

    Raises:
        OutputError: It cannot be written.
        BrokenPipeError: Nobody reads it.
    """
    with writing():
        sys.stdout.write(text)


def write_now(text: str) -> None:
    """Write to the standard output without waiting for more; see `write`."""
    with writing():
        sys.stdout.write(text)
        sys.stdout.flush()


def report(text: str) -> None:
    """Write what became of work that is done; without a standard output nobody wants to know.

    Raises:
        OutputError: It cannot be written.
        BrokenPipeError: Nobody reads it.
    """
    if has_output():
        write_now(text)


@contextmanager
def writing() -> Iterator[None]:
    """Tell errors of the standard output from others.

    Raises:
        OutputError: It cannot be written.
        BrokenPipeError: Nobody reads it.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to the standard output: {error.strerror or error}") from error


def open_binary() -> BinaryWriter:
    """Return a writer for the bytes of others; a terminal gets them as text, escaped."""
    return _BinaryOutput()


class _BinaryOutput:
    def write(self, data: bytes) -> None:
        with writing():
            if is_terminal():
                sys.stdout.write(escape(data.decode("utf-8", "backslashreplace"), keep="\n\t"))
            else:
                sys.stdout.flush()
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()


def tell(message: str) -> None:
    """Tell the user something on stderr, if there is one; never fails."""
    draw(f"{escape(message, keep=chr(10))}\n")


def draw(text: str) -> None:
    """Write to stderr as it is, such as a progress bar; never fails."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
