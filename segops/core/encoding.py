"""The JSON encoding of events, and how encoded events are joined into the body of a request."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

INT_MIN = -(2**63)
INT_MAX = 2**64 - 1
"""Integers beyond these bounds are not plain: few servers read more than 64 bits."""

_OPENING, _SEPARATOR, _CLOSING = b'{"events":[', b",\n", b"]}"

encode_plain = msgspec.json.Encoder(decimal_format="number").encode
"""Encode an event whose payload `is_plain`.

Raises:
    UnicodeEncodeError: Text holds a lone surrogate; `encode_event` replaces it.
    TypeError: `occurred_at` is of a subclass of datetime; `encode_event` converts it.
"""


def is_plain(payload: Mapping[str, Any]) -> bool:
    """Tell whether `payload` holds only values that JSON has and msgspec writes without loss.

    msgspec writes NaN as null and an int beyond 64 bits as digits that few servers read: neither is plain.

    Raises:
        RecursionError: It refers to itself or is nested too deeply.
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
    """Return the body of a request that carries encoded events. None of them holds a line break: JSON escapes it."""
    first, *others = events
    if not others:
        return b"".join((_OPENING, first, _CLOSING))
    # One join: to put the envelope around the joined events would copy all of them once more.
    others[-1] += _CLOSING
    return _SEPARATOR.join([_OPENING + first, *others])


def split(body: bytes) -> list[bytes]:
    """Return the events that were joined."""
    return body[len(_OPENING) : -len(_CLOSING)].split(_SEPARATOR)


def joined_size(body: bytes, count: int) -> int:
    """Return the bytes that the joined events take by themselves."""
    return len(body) - len(_OPENING) - len(_CLOSING) - len(_SEPARATOR) * (count - 1)


def fits(events: Sequence[bytes], max_bytes: int) -> bool:
    """Tell whether the body of a request with these events is no longer than `max_bytes`."""
    return len(_OPENING) + sum(map(len, events)) + len(_SEPARATOR) * len(events) <= max_bytes


def fitting(events: Sequence[bytes], max_bytes: int) -> int:
    """Return how many of the events, from the first on, fit into the body of a request; one does in any case."""
    sizes = itertools.accumulate((len(event) + len(_SEPARATOR) for event in events), initial=len(_OPENING))
    return max(1, bisect.bisect_right(list(sizes), max_bytes) - 1)
