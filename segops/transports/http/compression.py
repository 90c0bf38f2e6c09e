"""Read bodies that were compressed: gzip or zlib, a piece at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from http.client import HTTPException, IncompleteRead

from segops.core import Response

PIECE = 65536
"""Bytes of a body that are handed on at once, at most."""

_GZIP_OR_ZLIB = zlib.MAX_WBITS + 32


def is_compressed(head: Response) -> bool:
    """Return whether the headers say so."""
    return head.headers.get("content-encoding", "").lower() in {"gzip", "x-gzip", "deflate"}


def inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what compressed pieces hold, at most 64 KiB at a time; no pieces hold nothing.

    Raises:
        http.client.HTTPException: They are not compressed, or end too early.

    Source: RFC 1952, section 2.2: there may be several members, one after the other.
    """
    decoder = None
    for piece in pieces:
        rest = piece
        while rest:
            if decoder is None or decoder.eof:
                decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            yield _inflate(decoder, rest)
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if decoder is not None and not decoder.eof:
        raise IncompleteRead(b"")


def decompress(body: bytes, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of what `body` holds, and whether there is more or it could not be read."""
    plain = bytearray()
    try:
        for piece in inflated([body]):
            plain += piece
            if len(plain) > limit:
                return bytes(plain[:limit]), True
    except HTTPException:
        return bytes(plain), True  # the status still counts: to send again would repeat what was accepted
    return bytes(plain), False


def _inflate(decoder: zlib._Decompress, piece: bytes) -> bytes:
    try:
        return decoder.decompress(piece, PIECE)
    except zlib.error as error:
        raise HTTPException(f"the body is not compressed as its header says: {error}") from error
