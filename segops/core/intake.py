"""Where the usual event comes in: complete, plain, happening now, and of no interest to an enricher.

`_intake.c` does the same in a fifth of the time, writes the same bytes, and is used where it could be compiled.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from segops.core.encoding import is_plain
from segops.core.events import Event


class PureIntake:
    """The entrance of a buffer. Whatever is not the usual case is left to the caller.

    Attributes:
        queue: The encoded events that nobody has taken yet.
        append: Its method.
        encode: Encodes what is plain.
        wanted: The types of events that enrichers want; None if all events need more than this.
        wake: Is called once `wake_at` events wait.
        max_event_bytes: Bytes that one event may take.
        max_bytes: Bytes that all events may take which are not settled, taken or not.
        bytes: Bytes that they take.
        room: Events that the queue may hold at this moment.
        wake_at: Length of the queue at which the worker wants to be woken; the first event starts it.
        is_direct: Whether events may come in at all without the caller having a look at them.
    """

    __slots__ = (
        "append",
        "bytes",
        "encode",
        "is_direct",
        "max_bytes",
        "max_event_bytes",
        "queue",
        "room",
        "wake",
        "wake_at",
        "wanted",
    )

    queue: deque[bytes]
    append: Callable[[bytes], None]
    encode: Callable[[object], bytes]
    wanted: frozenset[str] | None
    wake: Callable[[], None]
    max_event_bytes: int
    max_bytes: int
    bytes: int
    room: int
    wake_at: int
    is_direct: bool

    def accept(
        self,
        user_id: str | None,
        event_type: str | None,
        payload: Mapping[str, Any] | None,
        anonymous_id: str | None,
        /,
    ) -> bool:
        """Take an event that happens now, or return False if it is not the usual case."""
        if payload is None:
            payload = {}
        if (
            user_id.__class__ is not str
            or not user_id
            or event_type.__class__ is not str
            or not event_type
            or payload.__class__ is not dict
            or (anonymous_id is not None and anonymous_id.__class__ is not str)
            or not self.is_direct
            or self.wanted is None
            or event_type in self.wanted
        ):
            return False
        try:
            if not is_plain(payload):
                return False
            event = self.encode(Event(user_id, event_type, datetime.now(timezone.utc), payload, anonymous_id))
        except (TypeError, ValueError, RecursionError):  # which the caller meets again, and knows what to do
            return False
        size = len(event)
        if size > self.max_event_bytes or len(self.queue) >= self.room or self.bytes + size > self.max_bytes:
            return False
        self.bytes += size
        self.append(event)
        if len(self.queue) >= self.wake_at:
            self.wake()
        return True


Intake = PureIntake

if not TYPE_CHECKING:  # both have the same attributes
    with contextlib.suppress(ImportError):
        from segops.core._intake import Intake  # noqa: F401 - for others to import
