"""Check and encode events: what `track()` and a bulk job have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from segops.core.encoding import encode_plain, is_plain
from segops.core.errors import SegOpsEncodingError, SegOpsEventError
from segops.core.events import Event
from segops.delivery.coercion import encode_event
from segops.delivery.validation import check_payload, check_text, check_time


def check_event(event: Event, now: Callable[[], datetime]) -> Event:
    """Return the event with checked values.

    Args:
        event: The event.
        now: Returns the time of an event that has none.

    Raises:
        SegOpsEventError: A value has the wrong type or is missing.
    """
    return Event(
        check_text("user_id", event.user_id),
        check_text("event_type", event.event_type),
        check_time(event.occurred_at) if event.occurred_at else now(),
        check_payload(event.payload),
        None if event.anonymous_id is None else check_text("anonymous_id", event.anonymous_id),
    )


def encode_checked(event: Event, max_bytes: int) -> tuple[bytes, int]:
    """Encode a checked event and return how many of its values had to be coerced.

    Raises:
        SegOpsEncodingError: The payload contains something that has no JSON form.
        SegOpsEventError: The encoding has more than `max_bytes`.
    """
    encoded, coerced = _encode(event)
    if len(encoded) > max_bytes:
        message = f"the event takes {len(encoded)} bytes, more than {max_bytes}: send less"
        raise SegOpsEventError(message, reason="too_large")
    return encoded, coerced


def as_event_error(error: Exception) -> SegOpsEventError:
    """Return the error of an event that could not be prepared; reading its values may raise anything."""
    if isinstance(error, SegOpsEventError):
        return error
    if isinstance(error, RecursionError):
        return SegOpsEncodingError("the payload refers to itself or is nested too deeply: send flat properties")
    dropped = SegOpsEventError(f"the event could not be read: {type(error).__name__} was raised")
    dropped.__cause__ = error  # not in the message: it may quote the event
    return dropped


def _encode(event: Event) -> tuple[bytes, int]:
    try:
        if is_plain(event.payload):
            return encode_plain(event), 0
    except (UnicodeEncodeError, TypeError):
        pass  # there is more to convert than the payload
    return encode_event(event)
