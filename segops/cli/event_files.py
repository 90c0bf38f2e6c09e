"""Read files of events: JSON lines as the `file:` transport writes them, or a JSON array; also in gzip."""

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

from segops.core import Event, SegOpsArgumentError, SegOpsEventError
from segops.delivery import read_event
from segops.utils import BOM, expand_home, find_foreign_encoding

STDIN = "-"
"""The file name that stands for what is piped in."""

_GZIP = b"\x1f\x8b"
_HEAD = 6
_OURS = "user_id, event_type, occurred_at, payload, anonymous_id"
_FORMATS = {
    "Segment": "userId → user_id, event → event_type, timestamp → occurred_at, properties → payload",
    "PostHog": "distinct_id → user_id, event → event_type, timestamp → occurred_at, properties → payload",
    "Mixpanel": "properties.distinct_id → user_id, event → event_type, properties.time → occurred_at, "
    "properties → payload",
    "Amplitude": "event_time → occurred_at, event_properties → payload, device_id → anonymous_id",
}
_SEGMENT_CALLS = {"track", "identify", "page", "screen", "group", "alias"}
_AMPLITUDE_KEYS = {"event_time", "event_properties", "user_properties", "insert_id", "$insert_id", "amplitude_id"}


class EventFile:
    """An open file of events.

    Args:
        stream: Its bytes.
        name: What it is called in messages.
        size: Its size in bytes; None if it is not known.

    Attributes:
        size: The bytes that reading it gives; None if that is not known.
        unit: What its events are numbered by: "line", or "item" in a JSON array.

    Raises:
        SegOpsArgumentError: It holds something else; the message says what.
    """

    def __init__(self, stream: BinaryIO, name: str, size: int | None = None) -> None:
        self.unit = "line"
        self._name = name
        self.size = size
        with self._reading():
            head = _read_exactly(stream, _HEAD)
            stream = _put_back(head, stream)
            if head.startswith(_GZIP):
                self.size = None
                unpacked = cast("BinaryIO", gzip.GzipFile(fileobj=stream))
                head = _read_exactly(unpacked, _HEAD)
                stream = _put_back(head, unpacked)
        if foreign := find_foreign_encoding(head):
            raise SegOpsArgumentError(f"{name} is {foreign}")
        self._stream = stream

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield the text of each event with its number, from 1; blank lines too.

        Raises:
            SegOpsArgumentError: The rest cannot be read.
        """
        with self._reading():
            skipped = []
            for first in self._stream:
                skipped.append(first)
                if start := first.removeprefix(BOM).strip():
                    lines = chain(skipped, self._stream)
                    is_document = start.startswith(b"[") or start == b"{"
                    found = self._read_document(b"".join(lines)) if is_document else lines
                    yield from ((number, line.removeprefix(BOM)) for number, line in enumerate(found, start=1))
                    return

    def _read_document(self, content: bytes) -> list[bytes]:
        """Return the events of one JSON document: of an array, of an object with `events`, or an event."""
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
                f"{self._name} is neither one JSON document ({error}) nor an event a line: "
                "write one JSON object a line, for example with `jq -c`"
            ) from None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise SegOpsArgumentError(f"{self._name} cannot be read to its end ({reason})") from error


@contextmanager
def open_events(name: str) -> Iterator[EventFile]:
    """Open a file of events; "-" is what is piped in.

    Raises:
        SegOpsArgumentError: It cannot be read, or holds something else.
    """
    if name == STDIN:
        yield EventFile(sys.stdin.buffer, "the standard input")
        return
    try:
        path = Path(expand_home(name))
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SegOpsArgumentError(f"{name!r} cannot be read ({reason}): give a file of events, or -") from None
    with stream:
        yield EventFile(stream, repr(name), path.stat().st_size)


def parse_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a line.

    Raises:
        SegOpsEventError: It holds something else.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SegOpsEventError(f"no JSON ({error})") from None
    if not isinstance(value, dict):
        raise SegOpsEventError("no JSON object")
    return value


def parse_event(value: Mapping[str, Any], ignored: Container[str] = frozenset()) -> Event:
    """Return the event that an object describes.

    Args:
        value: The object.
        ignored: Keys to skip.

    Raises:
        SegOpsEventError: It has an unknown key, or is the event of another product.
    """
    try:
        return read_event(value, ignored)
    except SegOpsEventError as error:
        product = _recognise(value)
        if product is None:
            raise SegOpsEventError(f"{error}; to skip a key, add --ignore-key NAME") from None
        raise SegOpsEventError(
            f"an event in the format of {product}, which is not supported yet: convert it to {_OURS} "
            f"({_FORMATS[product]}), and skip the other keys with --ignore-key NAME"
        ) from None


def _recognise(value: Mapping[str, Any]) -> str | None:
    """Return the product that writes such events, if it is known."""
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
    kind = value.get("type")
    return isinstance(kind, str) and kind in _SEGMENT_CALLS


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    content = b""
    while len(content) < count and (more := stream.read(count - len(content))):
        content += more
    return content


def _put_back(head: bytes, stream: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Prefixed(head, stream)))


class _Prefixed(io.RawIOBase):
    """A stream of which some bytes were read already."""

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
