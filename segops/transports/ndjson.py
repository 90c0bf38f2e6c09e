"""Write events as NDJSON, one event per line, to a file or to standard output: for debugging or other shippers."""

from __future__ import annotations

import abc
import contextlib
import errno
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
from segops.utils import absolute_path, escape_json, monotonic, parse_local_url

if sys.platform != "win32":
    import fcntl

_JSON = {"content-type": "application/json"}
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
_LOCK_POLL = 0.001
_MAX_DIGITS = 18
_NO_LOCKS = frozenset((errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.EBADF))
"""What file systems without locks say: some network and FUSE file systems."""


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


class NdjsonTransport(Transport):
    """Answers ingestion requests as SegOps does, once their events are written."""

    offline = True

    def __repr__(self) -> str:
        """Show where it writes."""
        return f"{type(self).__name__}({self.url!r})"

    def send(self, request: Request, *, timeout: float) -> Response:
        """Write the events of an ingestion request and answer 202, or 400 if its body is not what it should be.

        Raises:
            SegOpsTimeoutError: Other processes kept the file locked for `timeout` seconds.
            SegOpsTransportError: The events cannot be written, or the request is not one that brings events.
        """
        if request.method != "POST" or request.path not in {BATCH_PATH, SINGLE_PATH}:
            raise SegOpsTransportError(
                f"{self.url} takes events only, not {request!r}: use an https: or local: URL for anything else"
            )
        try:
            events = _events(request)
        except msgspec.MsgspecError as error:
            return Response(400, _JSON, msgspec.json.encode({"detail": str(error)}))
        try:
            if events:
                self.write(b"\n".join([*events, b""]), monotonic() + timeout)
        except TimeoutError as error:
            raise SegOpsTimeoutError(f"{self.url} stayed locked by other processes for {timeout:g} s") from error
        except (OSError, ValueError) as error:
            raise SegOpsTransportError(f"{self.url} cannot be written: {error}") from error
        taken = {"queued": True} if request.path == SINGLE_PATH else {"queued": len(events), "skipped": 0}
        return Response(202, _JSON, msgspec.json.encode(taken))

    @abc.abstractmethod
    def write(self, lines: bytes, deadline: float) -> None:
        """Write whole lines in one go.

        Args:
            lines: What to write, with a newline at the end.
            deadline: The `monotonic()` at which to give up.

        Raises:
            OSError: They cannot be written.
        """


class StdoutTransport(NdjsonTransport):
    """Writes events to standard output, whatever that is at the time."""

    url = "stdout:"

    @classmethod
    def from_url(cls, url: str) -> StdoutTransport:
        """Make the transport for "stdout:".

        Raises:
            SegOpsConfigError: More follows the scheme.
        """
        parse_local_url(url, example="stdout:")
        return cls()

    def write(self, lines: bytes, deadline: float) -> None:  # noqa: ARG002 - a stream has no timeout
        """Write to the stream's bytes, or as text to one that has none, such as a notebook's."""
        stream = sys.stdout
        if stream is None:  # as in a program without a console
            raise OSError("there is no standard output")
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
    """Appends events to a file; for any number of threads, transports and processes.

    Each request opens the file, appends its events in one write and closes it again. So there is nothing that a fork,
    a `close` or a log rotation could leave behind, for some 10 µs per request.

    Args:
        path: The file, `~` expanded; created with mode 0600. Its directory must exist. On a file system without locks
            only one process may write to it while `max_bytes` is given.
        max_bytes: Before the file would grow beyond this it is renamed to "path.1", that one to "path.2", and so on.
            None to let it grow. A request with more events than that still goes into one file.
        backups: How many renamed files are kept.

    Raises:
        SegOpsConfigError: One of these is not usable.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int | None = None, backups: int = 3) -> None:
        for name, value in (("max_bytes", max_bytes), ("backups", backups)):
            if type(value) is not int and not (value is None and name == "max_bytes"):
                raise SegOpsConfigError(f"{name} must be a whole number, got {value!r}")
        if (max_bytes is not None and max_bytes < 1) or backups < 1:
            raise SegOpsConfigError(f"max_bytes is {max_bytes} and backups {backups}: both must be at least 1")
        self._path = absolute_path("the file of events", path)
        self._max_bytes = max_bytes
        self._backups = backups
        self.url = f"file:{self._path}"

    @classmethod
    def from_url(cls, url: str) -> FileTransport:
        """Make the transport for a URL such as "file:events.ndjson" or "file:///var/log/e.ndjson?max_bytes=1000000".

        Raises:
            SegOpsConfigError: It names no file on this machine, or an option that there is not.
        """
        parts = parse_local_url(url, example="file:events.ndjson", has_path=True, options=("max_bytes", "backups"))
        for name, value in parts.options.items():
            if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
                raise SegOpsConfigError(f"the file: URL has {name}={value[:_MAX_DIGITS]}: give a whole number")
        return cls(parts.path, **{name: int(value) for name, value in parts.options.items()})

    def write(self, lines: bytes, deadline: float) -> None:
        """Append to the file while it is locked, after making room if it would grow too large."""
        while not self._try_to_write(lines, deadline):
            pass  # the name belongs to another file by now: one was started here, or by someone who rotated first

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
        """Rename the file to "path.1", and each older one to the next number; the last is replaced."""
        names = [self._path, *[f"{self._path}.{number}" for number in range(1, self._backups + 1)]]
        for older, newer in reversed(list(zip(names[1:], names, strict=False))):
            if os.path.exists(newer):  # noqa: PTH110 - a plain path
                os.replace(newer, older)  # noqa: PTH105 - a plain path


def _events(request: Request) -> list[bytes]:
    """Return the events of a request as they were encoded; a newline between their tokens is left out.

    Raises:
        msgspec.MsgspecError: The body is not the JSON of an ingestion request.
    """
    if request.path == SINGLE_PATH:
        events = [msgspec.json.decode(request.body, type=msgspec.Raw)]
    else:
        events = msgspec.json.decode(request.body, type=_Batch).events
    lines = [bytes(event).translate(None, b"\r\n") for event in events]
    if not all(line.startswith(b"{") for line in lines):
        raise msgspec.ValidationError("an event must be an object")
    return lines


def _append(descriptor: int, lines: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size:
        os.lseek(descriptor, -1, os.SEEK_END)
        if os.read(descriptor, 1) != b"\n":
            lines = b"\n" + lines  # the writer was killed in the middle of a line
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        if sys.platform != "win32":  # where nothing keeps other writers out meanwhile
            with contextlib.suppress(OSError):  # what went wrong first is what is told
                os.ftruncate(descriptor, size)  # all of it is written again: no event is to be there twice
        raise


def _lock(descriptor: int, deadline: float) -> None:
    """Lock a file against other writers until it is closed.

    Raises:
        TimeoutError: Others had it until the deadline.
    """
    while not _try_to_lock(descriptor):
        if monotonic() >= deadline:
            raise TimeoutError
        time.sleep(_LOCK_POLL)


def _try_to_lock(descriptor: int) -> bool:
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return True  # O_APPEND keeps the lines of several writers apart as far as this file system can
            if isinstance(error, BlockingIOError):
                return False
            raise
    return True
