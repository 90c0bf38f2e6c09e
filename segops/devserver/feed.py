"""Events as they come, as a stream of server-sent events that can be taken up again where it broke off.

Each message is a batch, and its id says how far it goes: the number of the last event, of the last refused event, and
the database that they are in.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable

import msgspec
from starlette.concurrency import run_in_threadpool

from segops.emulator import Filter, Inspection, Position, RejectedEvent, SeenEvent

_LIMIT = 500
_LOOK_SECONDS = 0.1
"""How long to wait until the database is looked at again: another process may write to it, too."""

_HEARTBEAT_SECONDS = 10.0
_ID = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18})(?:\.([0-9a-f]{1,64}))?)?", re.ASCII)


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is new, oldest first.

    Attributes:
        events: The events.
        skipped: The refused events.
    """

    events: list[SeenEvent] = []
    skipped: list[RejectedEvent] = []


class Feed:
    """One listener's way through the events.

    Args:
        look: Where they are.
        after: The id of the last message that was read; empty to start with what is new from now on.
        wanted: Which events.
        with_skipped: Whether refused events are wanted too.
    """

    def __init__(self, look: Inspection, after: str, wanted: Filter, *, with_skipped: bool = True) -> None:
        self._look = look
        self._wanted = wanted
        self._with_skipped = with_skipped
        self._token = look.token()
        self._position, self._is_other = self._start(after)

    async def lines(self, is_stopping: Callable[[], bool]) -> AsyncIterator[str]:
        """Yield the text of the stream until it is to stop."""
        yield f"retry: 500\nid: {self._id}\nevent: {'reset' if self._is_other else 'start'}\ndata: {{}}\n\n"
        spoken = time.monotonic()
        while not is_stopping():
            batch = await run_in_threadpool(self.read)
            if batch.events or batch.skipped:
                data = msgspec.json.encode(batch).decode()
                yield f"id: {self._id}\nevent: batch\ndata: {data}\n\n"
                spoken = time.monotonic()
                continue
            if time.monotonic() - spoken > _HEARTBEAT_SECONDS:
                yield ": still here\n\n"
                spoken = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)

    def read(self) -> Batch:
        """Return what is new, at most 500 of each kind, and move on."""
        head = self._look.position()
        events: list[SeenEvent] = []
        skipped: list[RejectedEvent] = []
        if head.event > self._position.event:
            events = self._look.events_after(self._position.event, _LIMIT, self._wanted)
        if head.skipped > self._position.skipped and self._with_skipped:
            skipped = self._look.skipped_after(self._position.skipped, _LIMIT)
        # What does not match is passed over, so that it is not looked at again.
        self._position = Position(_reached(events, head.event), _reached(skipped, head.skipped))
        return Batch(events, skipped)

    @property
    def _id(self) -> str:
        return f"{self._position}.{self._token}"

    def _start(self, after: str) -> tuple[Position, bool]:
        found = _ID.fullmatch(after)
        if found is None:
            return self._look.position(), False
        if found[3] not in (None, self._token):  # the listener knows a database that is no more
            return Position(), True
        skipped = self._look.position().skipped if found[2] is None else int(found[2])
        return Position(int(found[1]), skipped), False


def _reached(rows: list[SeenEvent] | list[RejectedEvent], head: int) -> int:
    return rows[-1].id if len(rows) == _LIMIT else max([head, *(row.id for row in rows[-1:])])
