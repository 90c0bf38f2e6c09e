"""Read an answer, but never more of it than was allowed for."""

from __future__ import annotations

import io
import zlib
from http.client import HTTPResponse, IncompleteRead, RemoteDisconnected

from segops.core import Response

_GZIP_OR_ZLIB = zlib.MAX_WBITS + 32


class _WholeLines(io.BufferedReader):
    """Refuses to take the end of the stream for an empty line, which http.client takes for the end of the headers."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise RemoteDisconnected("the connection was closed in the middle of the answer's headers")
        return line


def read_answer(answer: HTTPResponse, limit: int) -> Response:
    """Read status, headers and body.

    Args:
        answer: An answer of which nothing was read yet.
        limit: The bytes of body to read at most, and to decompress it to at most.

    Raises:
        OSError: The connection broke, or the deadline passed.
        http.client.HTTPException: This is no HTTP, or it ended too early.
    """
    answer.fp = _WholeLines(answer.fp.detach())
    answer.begin()
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    body = answer.read(limit + 1)
    truncated = len(body) > limit
    if truncated:
        body = body[:limit]
    elif answer.length:
        raise IncompleteRead(body, answer.length)
    if body and headers.get("content-encoding", "").lower() in {"gzip", "x-gzip", "deflate"}:
        body, cut = _decompress(body, limit)
        truncated = truncated or cut
    return Response(answer.status, headers, body, truncated)


def _decompress(body: bytes, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of what `body` holds, and whether there is more or it could not be read."""
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = decoder.decompress(body, limit)
    except zlib.error:
        return b"", True  # the status still counts: to send again would repeat what was accepted
    return plain, not decoder.eof
