"""Sinks for response bodies: memory, a file, or an open stream."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from segops.core import Response, SegOpsArgumentError, SegOpsResponseError
from segops.plugins.admin.context import check_cancelled
from segops.plugins.admin.messages import printable
from segops.utils import expand_home

Progress = Callable[[int, int | None], object]
"""Called with the bytes received so far, and the total if the server sends it."""

Target = str | os.PathLike[str] | BinaryIO
"""The name of a file, or an open binary stream."""

MAX_JSON = 64 * 1024 * 1024
"""Bytes of a response that are read into memory, at most."""

_SUCCESS = 2
_DIGITS = 18
"""Digits of a Content-Length, at most."""


class Sink(Protocol):
    """Receives the body of a response, and starts over when an attempt fails."""

    def start(self, head: Response) -> Callable[[bytes], object] | None:
        """Start over and return the function that takes the chunks; None to leave the body in the response."""

    def can_restart(self) -> bool:
        """Return whether `start` may be called again."""
        ...


class MemorySink:
    """Keeps the body in memory."""

    def __init__(self, limit: int = MAX_JSON) -> None:
        self._limit = limit
        self._chunks: list[bytes] = []
        self._size = 0
        self._status = 0

    def start(self, head: Response) -> Callable[[bytes], object]:
        """Start over."""
        self._chunks, self._size, self._status = [], 0, head.status
        return self._add

    def can_restart(self) -> bool:
        """Return True: the body is discarded."""
        return True

    def body(self) -> bytes:
        """Return the body."""
        return b"".join(self._chunks)

    def _add(self, chunk: bytes) -> None:
        check_cancelled()
        self._size += len(chunk)
        if self._size > self._limit:
            raise SegOpsResponseError(
                f"the response is larger than {self._limit} bytes: request less at a time", status=self._status
            )
        self._chunks.append(chunk)


class StreamSink:
    """Writes a body into an open stream.

    Args:
        stream: The open binary stream.
        progress: Called after each chunk.
        rewind: Empties the stream before another attempt; None if that is not possible.
    """

    def __init__(
        self, stream: BinaryIO, progress: Progress | None = None, rewind: Callable[[], object] | None = None
    ) -> None:
        self._stream = stream
        self._progress = progress
        self._rewind = rewind
        self._total: int | None = None
        self.size = 0

    def start(self, head: Response) -> Callable[[bytes], object] | None:
        """Start over if the response is a success; leave the bodies of errors in the response."""
        if head.status // 100 != _SUCCESS:
            return None
        if self._rewind is not None:
            self._rewind()
        length = head.headers.get("content-length", "")
        is_known = length.isdecimal() and len(length) <= _DIGITS and "content-encoding" not in head.headers
        self._total = int(length) if is_known else None
        self.size = 0
        return self._write

    def can_restart(self) -> bool:
        """Return whether the stream is still empty, or can be emptied."""
        return self._rewind is not None or not self.size

    def _write(self, chunk: bytes) -> None:
        check_cancelled()
        self._stream.write(chunk)
        self.size += len(chunk)
        if self._progress is not None:
            self._progress(self.size, self._total)


@contextmanager
def open_sink(target: Target, progress: Progress | None = None) -> Iterator[StreamSink]:
    """Open the target of a download.

    A file gets its name when the block succeeds. Until then it has a temporary name in the same directory, and any
    exception removes it. Only its owner can read it.

    Raises:
        SegOpsArgumentError: The file cannot be written, or the target is not a file name or a binary stream.
    """
    check_target(target)
    if not isinstance(target, str | os.PathLike):
        yield StreamSink(target, progress)
        return
    path = Path(expand_home(target))
    file = _temporary(path)
    try:
        with file:
            yield StreamSink(file, progress, lambda: (file.seek(0), file.truncate()))
        _rename(file.name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(file.name)  # noqa: PTH108 - a plain path
        raise


def check_target(target: Target) -> None:
    """Raise SegOpsArgumentError if the target obviously cannot be written, before a long job starts."""
    if not isinstance(target, str | os.PathLike):
        if not hasattr(target, "write"):
            raise SegOpsArgumentError(f"target must be a file name or a binary stream, got {type(target).__name__}")
        return
    path = Path(expand_home(target))
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise SegOpsArgumentError(f"invalid file name ({printable(error)}): use another one") from error
    if path.is_dir() or not path.name:
        raise SegOpsArgumentError(f"{printable(path)} is a directory: use the name of a file")
    if not path.parent.is_dir():
        raise SegOpsArgumentError(
            f"{printable(path)} cannot be written: create the directory {printable(path.parent)} first"
        )


def _temporary(path: Path) -> BinaryIO:
    try:
        return tempfile.NamedTemporaryFile(  # type: ignore[return-value]
            dir=path.parent, prefix=".segops-", suffix=".part", delete=False
        )
    except OSError as error:
        raise SegOpsArgumentError(
            f"{printable(path)} cannot be written ({error.strerror}): use another file"
        ) from error


def _rename(name: str, path: Path) -> None:
    try:
        os.replace(name, path)  # noqa: PTH105 - a plain path
    except OSError as error:
        raise SegOpsArgumentError(
            f"{printable(path)} cannot be written ({error.strerror}): use another file"
        ) from error
