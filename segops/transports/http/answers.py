"""Read an answer, but never more of it than was allowed for."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected

from segops.core import Accept, Response

_GZIP_OR_ZLIB = zlib.MAX_WBITS + 32
_PIECE = 65536


class _WholeLines(io.BufferedReader):
    """Refuses to take the end of the stream for an empty line, which http.client takes for the end of the headers."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise RemoteDisconnected("the connection was closed in the middle of the answer's headers")
        return line


class Stopped(Exception):  # noqa: N818 - it is no error of the exchange
    """What the function that takes the body raised: not to be taken for a failure of the server.

    Attributes:
        error: What it raised.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def read_answer(answer: HTTPResponse, limit: int, accept: Accept | None = None) -> Response:
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
    answer.fp = _WholeLines(answer.fp.detach())
    answer.begin()
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    head = Response(answer.status, headers)
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
    return Response(answer.status, headers, body, truncated)


def _hand_on(answer: HTTPResponse, head: Response, accept: Accept) -> bool:
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


def _pieces(answer: HTTPResponse, *, is_compressed: bool) -> Iterator[bytes]:
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    while piece := answer.read1(_PIECE):
        while is_compressed and piece:
            yield _inflate(decoder, piece)
            piece = decoder.unconsumed_tail
        if piece:
            yield piece
    if answer.length or (is_compressed and not decoder.eof):
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
