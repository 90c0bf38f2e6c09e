"""Read files that are compressed with zstd (extra `zstd`)."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from segops.utils import needs_modules

MAGIC = b"\x28\xb5\x2f\xfd"

_CHUNK = 128 * 1024


class ZstdStream(io.RawIOBase):
    """The content of a compressed stream, of one frame or several.

    The reader of zstandard takes a truncated file for a complete one, so this one looks at the end of each frame.

    Args:
        compressed: The stream.
        name: What to call it in messages.

    Raises:
        SegOpsConfigError: zstandard is not installed.
    """

    def __init__(self, compressed: BinaryIO, name: str) -> None:
        with needs_modules(f"reading {name}, which is compressed with zstd,", extra="zstd"):
            import zstandard  # noqa: PLC0415 - an extra
        self._compressed = compressed
        self._decompressor = zstandard.ZstdDecompressor()
        self._error = zstandard.ZstdError
        self._frame = self._decompressor.decompressobj()
        self._is_inside = False
        self._content = memoryview(b"")

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some of the content.

        Raises:
            EOFError: The stream ends within a frame.
            OSError: It is damaged.
        """
        while not self._content:
            chunk = self._next_chunk()
            if not chunk:
                if self._is_inside:
                    raise EOFError("compressed file ended before the end of its last zstd frame")
                return 0
            try:
                self._content = memoryview(self._frame.decompress(chunk))
            except self._error as error:
                raise OSError(str(error)) from error
            self._is_inside = not self._frame.eof
        size = min(len(buffer), len(self._content))
        buffer[:size] = self._content[:size]
        self._content = self._content[size:]
        return size

    def _next_chunk(self) -> bytes:
        """Return more of the compressed stream; at the end of a frame, begin the next one with what came after it."""
        rest = b""
        if self._frame.eof:
            rest = self._frame.unused_data
            self._frame = self._decompressor.decompressobj()
        return rest or self._compressed.read(_CHUNK)
