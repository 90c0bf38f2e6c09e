"""Where the bodies of answers go: into memory, a file, or an open stream."""

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
"""Is told how many bytes there are so far, and how many there will be if the server says so."""

Target = str | os.PathLike[str] | BinaryIO
"""A file to write, or an open binary stream."""

MAX_JSON = 64 * 1024 * 1024
"""Bytes of an answer that is read into memory, at most."""

_SUCCESS = 2
_DIGITS = 18
"""Of a length that is believed, at most."""


class Sink(Protocol):
    """Takes the body of one answer, or of several in turn when attempts fail."""

    def accept(self, head: Response) -> Callable[[bytes], object] | None:
        """Begin anew, and return what takes the pieces; None to leave the body in the answer."""

    def can_restart(self) -> bool:
        """Return whether `accept` may be called again."""
        ...


class Memory:
    """Keeps the body in memory."""

    def __init__(self, limit: int = MAX_JSON) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._status = 0

    def accept(self, head: Response) -> Callable[[bytes], object]:
        """Begin anew."""
        self._pieces, self._size, self._status = [], 0, head.status
        return self._add

    def can_restart(self) -> bool:
        """Return True: nobody has seen what there is."""
        return True

    def body(self) -> bytes:
        """Return what came."""
        return b"".join(self._pieces)

    def _add(self, piece: bytes) -> None:
        check_cancelled()
        self._size += len(piece)
        if self._size > self._limit:
            raise SegOpsResponseError(
                f"the answer is larger than {self._limit} bytes: ask for less at a time", status=self._status
            )
        self._pieces.append(piece)


class Stream:
    """Writes a body into an open stream.

    Args:
        stream: The open binary stream.
        progress: Is told how far it is, after each piece.
        rewind: Empties the stream for another attempt; None if it is not ours to empty.
    """

    def __init__(
        self, stream: BinaryIO, progress: Progress | None = None, rewind: Callable[[], object] | None = None
    ) -> None:
        self._stream = stream
        self._progress = progress
        self._rewind = rewind
        self._total: int | None = None
        self.size = 0

    def accept(self, head: Response) -> Callable[[bytes], object] | None:
        """Begin anew, if the answer is a success; other bodies are not what is wanted here."""
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
        """Return whether nothing was written yet, or it can be taken back."""
        return self._rewind is not None or not self.size

    def _write(self, piece: bytes) -> None:
        check_cancelled()
        self._stream.write(piece)
        self.size += len(piece)
        if self._progress is not None:
            self._progress(self.size, self._total)


@contextmanager
def open_sink(target: Target, progress: Progress | None = None) -> Iterator[Stream]:
    """Open what a download is written to.

    A file gets its name only when the block ends well: until then it has a temporary one beside it, and whatever ends
    the block early, an interrupt too, removes that. Others than its owner cannot read it.

    Raises:
        SegOpsArgumentError: The file cannot be written, or the target is neither a file name nor a binary stream.
    """
    check_target(target)
    if not isinstance(target, str | os.PathLike):
        yield Stream(target, progress)
        return
    path = Path(expand_home(target))
    file = _temporary(path)
    try:
        with file:
            yield Stream(file, progress, lambda: (file.seek(0), file.truncate()))
        _rename(file.name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(file.name)  # noqa: PTH108 - a plain path
        raise


def check_target(target: Target) -> None:
    """Raise SegOpsArgumentError if it is plain that nothing can be written there, before long work is started."""
    if not isinstance(target, str | os.PathLike):
        if not hasattr(target, "write"):
            raise SegOpsArgumentError(f"a {type(target).__name__} cannot be written to: give a path or a binary stream")
        return
    path = Path(expand_home(target))
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise SegOpsArgumentError(
            f"the name of the file cannot be used ({printable(error)}): give another one"
        ) from error
    if path.is_dir() or not path.name:
        raise SegOpsArgumentError(f"{printable(path)} is a directory: give the name of a file")
    if not path.parent.is_dir():
        raise SegOpsArgumentError(
            f"{printable(path)} cannot be written (there is no directory {printable(path.parent)}): make it first"
        )


def _temporary(path: Path) -> BinaryIO:
    try:
        return tempfile.NamedTemporaryFile(  # type: ignore[return-value]
            dir=path.parent, prefix=".segops-", suffix=".part", delete=False
        )
    except OSError as error:
        raise SegOpsArgumentError(
            f"{printable(path)} cannot be written ({error.strerror}): give another name"
        ) from error


def _rename(name: str, path: Path) -> None:
    try:
        os.replace(name, path)  # noqa: PTH105 - a plain path
    except OSError as error:
        raise SegOpsArgumentError(
            f"{printable(path)} cannot be written ({error.strerror}): give another name"
        ) from error
