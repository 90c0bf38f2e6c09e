"""Write events as NDJSON, one event per line, to a file or to standard output, for debugging or log shippers."""

from __future__ import annotations

import abc
import contextlib
import os
import sys
import time

import msgspec

from segops.core import (
    BATCH_PATH,
    SINGLE_PATH,
    Request,
    Response,
    SegOpsConfigError,
    SegOpsTimeoutError,
    SegOpsTransportError,
    Transport,
)
from segops.transports.ingestion import accepted, json_response, read_events
from segops.utils import absolute_path, escape_json, monotonic, parse_local_url, try_to_lock

_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
_LOCK_POLL = 0.001
_MAX_DIGITS = 18


class NdjsonTransport(Transport):
    """Writes events, and responds to ingestion requests as SegOps does."""

    offline = True

    def __repr__(self) -> str:
        """Show the destination."""
        return f"{type(self).__name__}({self.url!r})"

    def send(self, request: Request, *, timeout: float) -> Response:
        """Write the events of an ingestion request and return 202, or 400 if its body is invalid.

        Raises:
            SegOpsTimeoutError: Other processes kept the file locked for `timeout` seconds.
            SegOpsTransportError: The events cannot be written, or the request is not an ingestion request.
        """
        if request.method != "POST" or request.path not in {BATCH_PATH, SINGLE_PATH}:
            raise SegOpsTransportError(
                f"{self.url} accepts only events, got {request.method} {request.path}: "
                "use an https: or local: URL for other requests"
            )
        try:
            events = _events(request)
        except msgspec.MsgspecError as error:
            return json_response(400, {"detail": str(error)})
        try:
            if events:
                self.write(b"\n".join([*events, b""]), monotonic() + timeout)
        except TimeoutError as error:
            raise SegOpsTimeoutError(f"{self.url} was locked by other processes for {timeout:g} s") from error
        except (OSError, ValueError) as error:
            raise SegOpsTransportError(f"{self.url} cannot be written: {error}") from error
        return accepted(request, len(events))

    @abc.abstractmethod
    def write(self, lines: bytes, deadline: float) -> None:
        """Write complete lines at once.

        Args:
            lines: The lines, with a trailing newline.
            deadline: When to give up, as a value of `monotonic()`.

        Raises:
            OSError: Writing failed.
        """


class StdoutTransport(NdjsonTransport):
    """Write events to whatever `sys.stdout` is at the time."""

    url = "stdout:"

    @classmethod
    def from_url(cls, url: str) -> StdoutTransport:
        """Make the transport for "stdout:".

        Raises:
            SegOpsConfigError: Something follows the scheme.
        """
        parse_local_url(url, example="stdout:")
        return cls()

    def write(self, lines: bytes, deadline: float) -> None:  # noqa: ARG002 - a stream has no timeout
        """Write bytes, or text if the stream accepts only text, as in a notebook."""
        stream = sys.stdout
        if stream is None:  # in a program without a console
            raise OSError("standard output is not available")
        if stream.isatty():
            lines = escape_json(lines.decode()).encode()
        binary = getattr(stream, "buffer", None)
        if binary is None:
            stream.write(lines.decode())
        else:
            stream.flush()
            binary.write(lines)
        stream.flush()


class FileTransport(NdjsonTransport):
    """Append events to a file; safe to use from any number of threads, transports and processes.

    Each request opens the file, appends its events in one write, and closes it, which takes about 10 µs. No file stays
    open across a fork, a `close` or a log rotation.

    Args:
        path: The file, `~` expanded; created with mode 0600. Its directory must exist. On a file system without locks,
            only one process may write to the file if `max_bytes` is set.
        max_bytes: The maximum size. Before the file would exceed it, it is renamed to "path.1", an existing "path.1" to
            "path.2", and so on. None for no limit. The events of one request always go into one file.
        backups: The number of renamed files to keep.

    Raises:
        SegOpsConfigError: One of the arguments is invalid.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int | None = None, backups: int = 3) -> None:
        for name, value in (("max_bytes", max_bytes), ("backups", backups)):
            if type(value) is not int and not (value is None and name == "max_bytes"):
                raise SegOpsConfigError(f"{name} must be an int, got {value!r}")
        if (max_bytes is not None and max_bytes < 1) or backups < 1:
            raise SegOpsConfigError(f"max_bytes and backups must be at least 1, got {max_bytes} and {backups}")
        self._path = absolute_path("the file of events", path)
        self._max_bytes = max_bytes
        self._backups = backups
        self.url = f"file:{self._path}"

    @classmethod
    def from_url(cls, url: str) -> FileTransport:
        """Make the transport for a URL such as "file:events.ndjson" or "file:///var/log/e.ndjson?max_bytes=1000000".

        Raises:
            SegOpsConfigError: It does not name a local file, or has an unknown or invalid option.
        """
        parts = parse_local_url(url, example="file:events.ndjson", has_path=True, options=("max_bytes", "backups"))
        for name, value in parts.options.items():
            if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
                raise SegOpsConfigError(f"{name} in the file: URL must be a whole number, got {value[:_MAX_DIGITS]}")
        return cls(parts.path, **{name: int(value) for name, value in parts.options.items()})

    def write(self, lines: bytes, deadline: float) -> None:
        """Append to the file under its lock, and rotate it first if it would exceed its maximum size."""
        while not self._try_to_write(lines, deadline):
            pass  # the file was rotated, here or by another process: open the new one

    def _try_to_write(self, lines: bytes, deadline: float) -> bool:
        descriptor = os.open(self._path, _APPEND, 0o600)
        try:
            _lock(descriptor, deadline)
            status = os.fstat(descriptor)
            if not self._is_current(status):
                return False
            size = status.st_size
            if size and self._max_bytes is not None and size + len(lines) > self._max_bytes:
                self._rotate()
                return False
            _append(descriptor, lines)
        finally:
            os.close(descriptor)
        return True

    def _is_current(self, status: os.stat_result) -> bool:
        try:
            return os.path.samestat(status, os.stat(self._path))  # noqa: PTH116 - a plain path, per request
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        """Rename the file to "path.1", and each older one to the next number, replacing the last."""
        names = [self._path, *[f"{self._path}.{number}" for number in range(1, self._backups + 1)]]
        for older, newer in reversed(list(zip(names[1:], names, strict=False))):
            if os.path.exists(newer):  # noqa: PTH110 - a plain path
                os.replace(newer, older)  # noqa: PTH105 - a plain path


def _events(request: Request) -> list[bytes]:
    """Return the events of a request as they were encoded, without newlines between their tokens.

    Raises:
        msgspec.MsgspecError: The body is not the JSON of an ingestion request.
    """
    lines = [bytes(event).translate(None, b"\r\n") for event in read_events(request)]
    if not all(line.startswith(b"{") for line in lines):
        raise msgspec.ValidationError("an event must be an object")
    return lines


def _append(descriptor: int, lines: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size:
        os.lseek(descriptor, -1, os.SEEK_END)
        if os.read(descriptor, 1) != b"\n":
            lines = b"\n" + lines  # a writer was killed in the middle of a line
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        if sys.platform != "win32":  # which has no lock against other writers
            with contextlib.suppress(OSError):  # the first error is the one to report
                os.ftruncate(descriptor, size)  # a retry writes everything again
        raise


def _lock(descriptor: int, deadline: float) -> None:
    """Lock a file against other writers until it is closed.

    Without locks, O_APPEND separates the lines of several writers as far as the file system can.

    Raises:
        TimeoutError: It was locked until the deadline.
    """
    while not try_to_lock(descriptor):
        if monotonic() >= deadline:
            raise TimeoutError
        time.sleep(_LOCK_POLL)
