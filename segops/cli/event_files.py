"""Read files of events: JSON lines, as the `file:` transport writes them, a JSON array, or Parquet.

JSON may be compressed with gzip or zstd.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from segops.cli import parquet, zstd
from segops.cli.errors import DamagedFileError
from segops.cli.parquet import ParquetFile
from segops.core import Event, SegOpsArgumentError, SegOpsEventError
from segops.delivery import read_event
from segops.utils import BOM, expand_home, find_foreign_encoding

Record = bytes | dict[str, Any]
"""The text of an event, or its values."""

STDIN = "-"
"""The file name of standard input."""

_GZIP = b"\x1f\x8b"
_HEAD = 6
_SEGMENT_CALLS = {"track", "identify", "page", "screen", "group", "alias"}
_AMPLITUDE_KEYS = {"event_time", "event_properties", "user_properties", "insert_id", "$insert_id", "amplitude_id"}


class EventFile:
    """An open file of events.

    Args:
        stream: Its bytes.
        name: What to call it in messages.

    Attributes:
        unit: What the numbers of events count: "line", or "item" in a JSON array.

    Raises:
        SegOpsArgumentError: It cannot be read, or contains something else.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.unit = "line"
        self._name = name
        with self._reading():
            head = _read_exactly(stream, _HEAD)
            stream = _put_back(head, stream)
            if head.startswith((_GZIP, zstd.MAGIC)):
                unpacked = _unpack(stream, head, name)
                head = _read_exactly(unpacked, _HEAD)
                stream = _put_back(head, unpacked)
        if head.startswith(parquet.MAGIC):
            raise SegOpsArgumentError(f"{name} is a Parquet file, which cannot be read from a stream: pass its name")
        if foreign := find_foreign_encoding(head):
            raise SegOpsArgumentError(f"{name} is {foreign}")
        self._stream = stream

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        """Yield the number of each line or item, from 1, with its text, but for blank lines.

        Raises:
            DamagedFileError: The rest of the file cannot be read.
            SegOpsArgumentError: It is not what it looks like.
        """
        with self._reading():
            skipped = []
            for first in self._stream:
                skipped.append(first)
                if start := first.removeprefix(BOM).strip():
                    lines = chain(skipped, self._stream)
                    is_document = start.startswith(b"[") or start == b"{"
                    found = self._read_document(b"".join(lines)) if is_document else lines
                    for number, line in enumerate(found, start=1):
                        if text := line.removeprefix(BOM).strip():
                            yield number, text
                    return

    def _read_document(self, content: bytes) -> list[bytes]:
        """Return the events of one JSON document: an array, an object with `events`, or a single event."""
        self.unit = "item"
        text = content.lstrip().removeprefix(BOM).strip()
        try:
            if not text.startswith(b"["):
                members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
                if set(members) != {"events"}:
                    return [text]
                text = bytes(members["events"])
            return [bytes(event) for event in msgspec.json.decode(text, type=list[msgspec.Raw])]
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise SegOpsArgumentError(
                f"{self._name} is neither JSON ({error}) nor JSON lines: "
                "write one JSON object per line, for example with `jq -c`"
            ) from None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise DamagedFileError(f"cannot read {self._name} to the end ({reason})") from error


@contextmanager
def open_events(name: str) -> Iterator[EventFile | ParquetFile]:
    """Open a file of events, or standard input ("-").

    Raises:
        SegOpsArgumentError: It cannot be read, or contains something else.
        SegOpsConfigError: What reads its format is not installed.
    """
    if name == STDIN:
        yield EventFile(sys.stdin.buffer, "standard input")
        return
    try:
        stream = Path(expand_home(name)).open("rb")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SegOpsArgumentError(
            f"cannot read {name!r} ({reason}): pass a file of events, or - for standard input"
        ) from None
    with stream:
        is_parquet = stream.peek(len(parquet.MAGIC)).startswith(parquet.MAGIC) and stream.seekable()
        yield ParquetFile(stream, repr(name)) if is_parquet else EventFile(stream, repr(name))


def parse_object(record: Record) -> dict[str, Any]:
    """Return the JSON object of a line, or the row of a Parquet file.

    Raises:
        SegOpsEventError: The line is not a JSON object.
    """
    if isinstance(record, dict):
        return record
    try:
        value = msgspec.json.decode(record)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SegOpsEventError(f"not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise SegOpsEventError(f"must be a JSON object, got {type(value).__name__}")
    return value


def parse_event(value: Mapping[str, Any], ignored: Container[str] = frozenset()) -> Event:
    """Return the event of a JSON object.

    Args:
        value: The object.
        ignored: Keys to ignore.

    Raises:
        SegOpsEventError: It has an unknown key, or is in the format of another product.
    """
    try:
        return read_event(value, ignored)
    except SegOpsEventError as error:
        product = _detect_product(value)
        if product is None:
            raise SegOpsEventError(f"{error}; to ignore a key, add --ignore-key NAME") from None
        raise SegOpsEventError(
            f"this is an event of {product}: read it with `segops send --map {product.lower()}`"
        ) from None


def _detect_product(value: Mapping[str, Any]) -> str | None:
    """Return the product whose format an event has, or None."""
    keys = value.keys()
    properties = value.get("properties")
    is_in_properties = isinstance(properties, dict) and "distinct_id" in properties
    if "event_type" in keys and keys & _AMPLITUDE_KEYS:
        return "Amplitude"
    if "messageId" in keys or (keys & {"userId", "anonymousId"} and ("event" in keys or _is_segment_call(value))):
        return "Segment"
    if "event" in keys and (keys & {"distinct_id", "uuid"} or ("timestamp" in keys and is_in_properties)):
        return "PostHog"
    return "Mixpanel" if "event" in keys and isinstance(properties, dict) else None


def _is_segment_call(value: Mapping[str, Any]) -> bool:
    call = value.get("type")
    return isinstance(call, str) and call in _SEGMENT_CALLS


def _unpack(stream: BinaryIO, head: bytes, name: str) -> BinaryIO:
    if head.startswith(_GZIP):
        return cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    return cast("BinaryIO", io.BufferedReader(zstd.ZstdStream(stream, name)))


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    content = b""
    while len(content) < count and (more := stream.read(count - len(content))):
        content += more
    return content


def _put_back(head: bytes, stream: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Prefixed(head, stream)))


class _Prefixed(io.RawIOBase):
    """A stream whose first bytes have been read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        piece = self._head[:size] or cast("io.BufferedReader", self._rest).read1(size)
        self._head = self._head[size:]
        buffer[: len(piece)] = piece
        return len(piece)
