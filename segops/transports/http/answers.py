"""Read an answer, but never more of it than was allowed for.

http.client is not used for it: its e-mail parser, its object and its buffers for each answer cost more than all that is
left to do for one. Tests compare what is read here with what it reads. Other than there, 204 and 304 never have a body,
and a connection is not kept if the end of the body is in doubt.
"""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import TYPE_CHECKING

from segops.core import Accept, Response
from segops.transports.http.compression import PIECE, decompress, inflated, is_compressed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAX_LINE = 65536
_MAX_HEADERS = 100
_STATUS_LINE = re.compile(rb"HTTP/1\.(\d) +([1-9]\d\d)(?: .*)?\r?\n")
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\r?\n")
_FINAL = 200
_BODILESS = frozenset({204, 304})
_MAX_DIGITS = 18
_EMPTY_LINE = frozenset({"\r\n", "\n"})
_FOLDED = " \t"
_BLANK = " \t\r\n"  # Python's own strip() would take more off, such as a no-break space
_PROTOCOL = re.compile(rb"(?:HTTP|RTSP|SIP|SSH)[-/][\d.]{1,5}(?:-OpenSSH)?")


class _Received(io.RawIOBase):
    """What a socket receives; closing it leaves the socket open."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return 0 if self.is_over else self._sock.recv_into(buffer)


class Answer:
    """An answer as it is received: its head first, then its body.

    Args:
        sock: The connection.
        method: The method of the request.

    Attributes:
        status: The HTTP status.
        fields: Header values by name in lower case; those of one name are joined with commas.
        is_reusable: Whether the body was read to its end, which was in no doubt, and the connection can serve another
            request.

    Source: RFC 9112, sections 4 to 7 and 9.3.
    """

    def __init__(self, sock: socket.socket, method: str) -> None:
        self._received = _Received(sock)
        self._stream = io.BufferedReader(self._received, PIECE)
        self._is_head = method == "HEAD"
        self.status = 0
        self.fields: dict[str, str] = {}
        self.is_reusable = False
        self._is_kept = False

    def read_head(self) -> None:
        """Read the status and the headers of the first answer that is no provisional one.

        Raises:
            OSError: The connection broke, or the deadline passed.
            http.client.HTTPException: This is no HTTP/1.
        """
        minor = b""
        while self.status < _FINAL:  # 100 Continue and its like
            minor = self._read_status()
            self.fields = self._read_fields()
        self._is_kept = self._keeps(minor)

    def body(self) -> Iterator[bytes]:
        """Return the body as it comes, in pieces of at most 64 KiB.

        Raises:
            OSError: The connection broke, or the deadline passed.
            http.client.HTTPException: It ended too early, or its chunks are none.
        """
        length = self.fields.get("content-length", "").partition(",")[0]
        if self._is_head or self.status in _BODILESS:
            pass
        elif self.fields.get("transfer-encoding", "").lower() == "chunked":
            yield from self._chunks()
        elif length.isdecimal():
            yield from self._stretch(int(length.lstrip("0")[:_MAX_DIGITS] or "0"))
        else:
            while piece := self._stream.read1(PIECE):
                yield piece
            return
        self.is_reusable = self._is_kept and not self._has_more()

    def _keeps(self, minor: bytes) -> bool:
        """Return whether the server keeps the connection, and says in one way only how long the body is."""
        connection = self.fields.get("connection", "").lower()
        length = self.fields.get("content-length", "")
        is_old = minor == b"0"
        if "," in length or ("transfer-encoding" in self.fields and (length or is_old)):
            return False
        return "close" not in connection and (not is_old or "keep-alive" in connection)

    def _has_more(self) -> bool:
        """Return whether bytes were received that are not of this answer: the next one would begin amid them."""
        self._received.is_over = True
        return bool(self._stream.peek())

    def _read_status(self) -> bytes:
        """Read a status line and return the minor version of HTTP."""
        line = self._read_line()
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise HTTPException(f"the answer begins with {_shown(line)!r}, which is no HTTP/1")
        self.status = int(found[2])
        return found[1]

    def _read_fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        name = ""
        for _ in range(_MAX_HEADERS + 1):
            line = self._read_line().decode("latin-1")
            if line in _EMPTY_LINE:
                return fields
            if line[0] in _FOLDED and name:
                fields[name] = f"{fields[name]} {line.strip(_BLANK)}".strip(_BLANK)
                continue
            before, colon, value = line.partition(":")
            name = before.strip(_BLANK).lower() if colon else ""
            if name:
                value = value.strip(_BLANK)
                fields[name] = f"{fields[name]}, {value}" if name in fields else value
        raise HTTPException(f"the answer has more than {_MAX_HEADERS} headers")

    def _chunks(self) -> Iterator[bytes]:
        while size := self._read_chunk_size():
            yield from self._stretch(size)
            if self._read_line().decode("latin-1") not in _EMPTY_LINE:
                raise HTTPException("a chunk of the answer is longer than it says")
        with suppress(RemoteDisconnected):  # some servers close the connection in the place of the trailer
            self._read_fields()

    def _read_chunk_size(self) -> int:
        line = self._read_line()
        found = _CHUNK_LINE.fullmatch(line)
        if found is None:
            raise HTTPException(f"a chunk of the answer begins with {_shown(line)!r}, which is no size")
        return int(found[1], 16)

    def _stretch(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self._stream.read1(min(left, PIECE))
            if not piece:
                raise IncompleteRead(b"", left)
            left -= len(piece)
            yield piece

    def _read_line(self) -> bytes:
        line = self._stream.readline(_MAX_LINE)
        if line.endswith(b"\n"):
            return line
        if len(line) < _MAX_LINE:
            raise RemoteDisconnected("the connection was closed in the middle of the answer")
        raise HTTPException(f"the answer has a line of more than {_MAX_LINE} bytes")


class Stopped(Exception):  # noqa: N818 - it is no error of the exchange
    """What the function that takes the body raised: not to be taken for a failure of the server.

    Attributes:
        error: What it raised.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def read_answer(answer: Answer, limit: int, accept: Accept | None = None) -> Response:
    """Read status, headers and body.

    Args:
        answer: An answer of which nothing was read yet.
        limit: The bytes of body to read at most, and to decompress it to at most, unless it is handed on.
        accept: Decides whether the body is handed on in pieces.

    Raises:
        OSError: The connection broke, or the deadline passed.
        http.client.HTTPException: This is no HTTP, or it ended too early.
        Stopped: The function that takes the body raised an error.
    """
    answer.read_head()
    head = Response(answer.status, answer.fields)
    if accept is not None and _hand_on(answer, head, accept):
        return head
    body, truncated = _read_whole(answer, limit)
    if body and is_compressed(head):
        body, cut = decompress(body, limit)
        truncated = truncated or cut
    return Response(answer.status, answer.fields, body, truncated)


def _read_whole(answer: Answer, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of the body, and whether there is more."""
    pieces = []
    size = 0
    for piece in answer.body():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            return b"".join(pieces)[:limit], True
    return b"".join(pieces), False


def _hand_on(answer: Answer, head: Response, accept: Accept) -> bool:
    """Hand the body on if it is wanted, and return whether it was."""
    try:
        write = accept(head)
    except Exception as error:
        raise Stopped(error) from error
    if write is None:
        return False
    for piece in inflated(answer.body()) if is_compressed(head) else answer.body():
        try:
            write(piece)
        except Exception as error:
            raise Stopped(error) from error
    return True


def _shown(line: bytes) -> bytes:
    """Return what an error may say of a line: the name of a protocol, but nothing that the server may have repeated."""
    found = _PROTOCOL.match(line)
    return found[0] if found else line[:2]
