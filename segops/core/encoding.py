"""Encode events as JSON, and join them into the body of a request."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

INT_MIN = -(2**63)
INT_MAX = 2**64 - 1
"""The range of plain integers: few servers read more than 64 bits."""

_OPENING, _SEPARATOR, _CLOSING = b'{"events":[', b",\n", b"]}"

encode_plain = msgspec.json.Encoder(decimal_format="number").encode
"""Encode an event whose payload `is_plain`.

Raises:
    UnicodeEncodeError: Text contains a lone surrogate.
    TypeError: `occurred_at` is an instance of a subclass of datetime.
"""


def is_plain(payload: Mapping[str, Any]) -> bool:
    """Return whether a payload contains only values that msgspec encodes as JSON without loss.

    NaN and infinities, which msgspec writes as null, and integers beyond 64 bits are not plain.

    Raises:
        RecursionError: The payload contains itself, or is nested too deeply.
    """
    if payload.__class__ is not dict:
        return False
    for key, value in payload.items():
        if key.__class__ is not str:
            return False
        kind = value.__class__
        if kind is str or kind is bool or value is None:
            continue
        if kind is float:
            if value - value != 0.0:  # only NaN and the infinities
                return False
        elif kind is int:
            if not INT_MIN <= value <= INT_MAX:
                return False
        elif kind is list:
            if not all(is_plain({"": item}) for item in value):
                return False
        elif not is_plain(value):
            return False
    return True


def join(events: Sequence[bytes]) -> bytes:
    """Return the body of a request with encoded events. JSON escapes line breaks, so a line break separates events."""
    first, *others = events
    if not others:
        return b"".join((_OPENING, first, _CLOSING))
    # A single join: adding the envelope to the joined events would copy them again.
    others[-1] += _CLOSING
    return _SEPARATOR.join([_OPENING + first, *others])


def split(body: bytes) -> list[bytes]:
    """Return the events in a body that `join` returned."""
    return body[len(_OPENING) : -len(_CLOSING)].split(_SEPARATOR)


def joined_size(body: bytes, count: int) -> int:
    """Return the size of the events in a body, without the envelope and separators."""
    return len(body) - len(_OPENING) - len(_CLOSING) - len(_SEPARATOR) * (count - 1)


def fits(events: Sequence[bytes], max_bytes: int) -> bool:
    """Return whether the body of a request with these events has at most `max_bytes` bytes."""
    return len(_OPENING) + sum(map(len, events)) + len(_SEPARATOR) * len(events) <= max_bytes


def fitting(events: Sequence[bytes], max_bytes: int) -> int:
    """Return how many of the first events fit into the body of a request; at least 1."""
    sizes = itertools.accumulate((len(event) + len(_SEPARATOR) for event in events), initial=len(_OPENING))
    return max(1, sum(1 for _ in itertools.takewhile(max_bytes.__ge__, sizes)) - 1)
