"""Context of a call: who captures its responses, and whether it was cancelled."""

from __future__ import annotations

import threading
from contextvars import ContextVar

from segops.core import Clock, Response, SegOpsError

captured_responses: ContextVar[list[Response] | None] = ContextVar("segops_admin_captured_responses", default=None)
"""Collects the responses to calls in this context."""

cancelled: ContextVar[threading.Event | None] = ContextVar("segops_admin_cancelled", default=None)
"""Set when the asyncio task that made the calls in this context is cancelled."""


class CallCancelled(SegOpsError):  # noqa: N818 - a cancellation is not an error
    """The task that made this call was cancelled."""


def check_cancelled() -> None:
    """Raise CallCancelled if the task that made this call was cancelled."""
    event = cancelled.get()
    if event is not None and event.is_set():
        raise CallCancelled("the task that made this call was cancelled")


def pause(clock: Clock, seconds: float) -> None:
    """Wait, but no longer than until the call is cancelled.

    Raises:
        CallCancelled: The call was cancelled.
    """
    event = cancelled.get()
    if event is None:
        clock.sleep(seconds)
    elif event.wait(seconds):
        check_cancelled()
