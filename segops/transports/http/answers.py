"""Read an answer, but never more of it than was allowed for."""

from __future__ import annotations

import io
import re
import socket
import zlib
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected

from segops.core import Accept, Response

_GZIP_OR_ZLIB = zlib.MAX_WBITS + 32
_PIECE = 65536
_MAX_LINE = 65536
_MAX_HEADERS = 100
_STATUS_LINE = re.compile(rb"HTTP/1\.(\d) +([1-9]\d\d)(?: .*)?\r?\n")
_FINAL = 200
_BODILESS = frozenset({204, 304})
_MAX_DIGITS = 18
_END_OF_HEADERS = frozenset({b"\r\n", b"\n"})
_FOLDED = b" \t"
_SHOWN = 40


class _WholeLines(io.BufferedReader):
    """Refuses to take the end of the stream for an empty line, which http.client takes for the end of the headers."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise RemoteDisconnected("the connection was closed in the middle of the answer's headers")
        return line


class Answer(HTTPResponse):
    """An answer whose headers are read into a dict.

    http.client reads them as those of an e-mail, which takes longer than all else that it does for an answer.

    Args:
        sock: The connection.
        method: The method of the request.

    Attributes:
        fields: Header values by name in lower case; those of one name are joined with commas.
    """

    def __init__(self, sock: socket.socket, method: str) -> None:
        super().__init__(sock, method=method)
        self.fp = _WholeLines(self.fp.detach(), _PIECE)
        self.fields: dict[str, str] = {}
        self._is_head = method == "HEAD"

    def begin(self) -> None:
        """Read the status and the headers, and find out how long the body is.

        Raises:
            HTTPException: This is no HTTP/1.

        Source: RFC 9112, sections 4 to 6 and 9.3.
        """
        minor = self._read_head()
        while self.status < _FINAL:  # 100 Continue and its like
            minor = self._read_head()
        get = self.fields.get
        self.chunked = get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = get("content-length", "").partition(",")[0]
        self.length = int(length[:_MAX_DIGITS]) if length.isdecimal() and not self.chunked else None
        if self._is_head or self.status in _BODILESS:
            self.length = 0
        connection = get("connection", "").lower()
        stays = "keep-alive" in connection if minor == b"0" else "close" not in connection
        self.will_close = not stays or (self.length is None and not self.chunked)

    def _read_head(self) -> bytes:
        """Read a status line and the headers after it; return the minor version of HTTP."""
        line = self._read_line()
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise HTTPException(f"the answer begins with {line[:_SHOWN]!r}, which is no HTTP/1")
        self.status = int(found[2])
        self.fields = {}
        name = ""
        for _ in range(_MAX_HEADERS + 1):
            line = self._read_line()
            if line in _END_OF_HEADERS:
                return found[1]
            if line[0] in _FOLDED and name:
                self.fields[name] += f" {line.decode('latin-1').strip()}"
                continue
            before, colon, value = line.decode("latin-1").partition(":")
            name = before.strip().lower() if colon else ""
            if name:
                value = value.strip()
                self.fields[name] = f"{self.fields[name]}, {value}" if name in self.fields else value
        raise HTTPException(f"the answer has more than {_MAX_HEADERS} headers")

    def _read_line(self) -> bytes:
        line = self.fp.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise HTTPException(f"the answer has a header of more than {_MAX_LINE} bytes")
        return line


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
    answer.begin()
    head = Response(answer.status, answer.fields)
    if accept is not None and _hand_on(answer, head, accept):
        return head
    body = answer.read(limit + 1)
    truncated = len(body) > limit
    if truncated:
        body = body[:limit]
    elif answer.length:
        raise IncompleteRead(body, answer.length)
    if body and _is_compressed(head):
        body, cut = _decompress(body, limit)
        truncated = truncated or cut
    return Response(answer.status, answer.fields, body, truncated)


def _hand_on(answer: Answer, head: Response, accept: Accept) -> bool:
    """Hand the body on if it is wanted, and return whether it was."""
    try:
        write = accept(head)
    except Exception as error:
        raise Stopped(error) from error
    if write is None:
        return False
    for piece in _pieces(answer, is_compressed=_is_compressed(head)):
        try:
            write(piece)
        except Exception as error:
            raise Stopped(error) from error
    return True


def _pieces(answer: Answer, *, is_compressed: bool) -> Iterator[bytes]:
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB) if is_compressed else None
    while piece := answer.read1(_PIECE):
        if decoder is None:
            yield piece
            continue
        while piece:
            yield _inflate(decoder, piece)
            piece = decoder.unconsumed_tail
    if answer.length or (decoder is not None and not decoder.eof):
        raise IncompleteRead(b"", answer.length or None)
    answer.read()  # nothing, but it lets the connection be kept


def _inflate(decoder: zlib._Decompress, piece: bytes) -> bytes:
    try:
        return decoder.decompress(piece, _PIECE)
    except zlib.error as error:
        raise HTTPException(f"the body is not compressed as its header says: {error}") from error


def _is_compressed(head: Response) -> bool:
    return head.headers.get("content-encoding", "").lower() in {"gzip", "x-gzip", "deflate"}


def _decompress(body: bytes, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of what `body` holds, and whether there is more or it could not be read."""
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = decoder.decompress(body, limit)
    except zlib.error:
        return b"", True  # the status still counts: to send again would repeat what was accepted
    return plain, not decoder.eof
