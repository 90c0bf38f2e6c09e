"""Stream new events as server-sent events, which clients can resume after a disconnect.

Each message is a batch. Its id consists of the id of the last event, the id of the last rejected event, and the token
of the database.
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
_POLL_SECONDS = 0.1
"""Interval at which the database is polled, because other processes may write to it too."""

_HEARTBEAT_SECONDS = 10.0
_ID = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18})(?:\.([0-9a-f]{1,64}))?)?", re.ASCII)


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """New events, oldest first.

    Attributes:
        events: Stored events.
        skipped: Rejected events.
    """

    events: list[SeenEvent] = []
    skipped: list[RejectedEvent] = []


class Feed:
    """The stream of one client.

    Args:
        inspection: Reads the events.
        after: The id of the last message that the client read, or an empty string to start now.
        criteria: Selects events.
        with_rejected: Whether to include rejected events.
    """

    def __init__(self, inspection: Inspection, after: str, criteria: Filter, *, with_rejected: bool = True) -> None:
        self._inspection = inspection
        self._criteria = criteria
        self._with_rejected = with_rejected
        self._token = inspection.token()
        self._position, self._is_other = self._start(after)

    async def lines(self, is_stopping: Callable[[], bool]) -> AsyncIterator[str]:
        """Yield the text of the stream until it should stop."""
        yield f"retry: 500\nid: {self._id}\nevent: {'reset' if self._is_other else 'start'}\ndata: {{}}\n\n"
        last_sent = time.monotonic()
        while not is_stopping():
            batch = await run_in_threadpool(self.read)
            if batch.events or batch.skipped:
                data = msgspec.json.encode(batch).decode()
                yield f"id: {self._id}\nevent: batch\ndata: {data}\n\n"
                last_sent = time.monotonic()
                continue
            if time.monotonic() - last_sent > _HEARTBEAT_SECONDS:
                yield ": heartbeat\n\n"
                last_sent = time.monotonic()
            await asyncio.sleep(_POLL_SECONDS)

    def read(self) -> Batch:
        """Return at most 500 new events and rejected events, and advance."""
        head = self._inspection.position()
        events: list[SeenEvent] = []
        skipped: list[RejectedEvent] = []
        if head.event > self._position.event:
            events = self._inspection.events_after(self._position.event, _LIMIT, self._criteria)
        if head.skipped > self._position.skipped and self._with_rejected:
            skipped = self._inspection.rejected_after(self._position.skipped, _LIMIT)
        # Events that do not match are skipped, so that they are not read again.
        self._position = Position(_reached(events, head.event), _reached(skipped, head.skipped))
        return Batch(events, skipped)

    @property
    def _id(self) -> str:
        return f"{self._position}.{self._token}"

    def _start(self, after: str) -> tuple[Position, bool]:
        found = _ID.fullmatch(after)
        if found is None:
            return self._inspection.position(), False
        if found[3] not in (None, self._token):  # the client read another database
            return Position(), True
        skipped = self._inspection.position().skipped if found[2] is None else int(found[2])
        return Position(int(found[1]), skipped), False


def _reached(rows: list[SeenEvent] | list[RejectedEvent], head: int) -> int:
    return rows[-1].id if len(rows) == _LIMIT else max([head, *(row.id for row in rows[-1:])])
