"""What a call carries with it from outside: who wants to see the raw answers, and whether it was given up."""

from __future__ import annotations

import threading
from contextvars import ContextVar

from segops.core import Clock, Response, SegOpsError

captured_responses: ContextVar[list[Response] | None] = ContextVar("segops_admin_captured_responses", default=None)
"""Takes the answers of the calls that are made in this context."""

cancelled: ContextVar[threading.Event | None] = ContextVar("segops_admin_cancelled", default=None)
"""Is set when nobody waits for this context any more, because an asyncio task was cancelled."""


class CallCancelled(SegOpsError):  # noqa: N818 - nothing went wrong
    """Nobody waits for this call any more."""


def check_cancelled() -> None:
    """Raise CallCancelled if nobody waits any more."""
    event = cancelled.get()
    if event is not None and event.is_set():
        raise CallCancelled("the task that made this call was cancelled")


def pause(clock: Clock, seconds: float) -> None:
    """Wait, but not on when nobody waits for the outcome."""
    event = cancelled.get()
    if event is None:
        clock.sleep(seconds)
    elif event.wait(seconds):
        check_cancelled()
