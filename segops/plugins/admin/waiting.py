"""Wait for jobs and computations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from segops.core import SegOpsJobError, SegOpsResponseError, SegOpsTimeoutError
from segops.plugins.admin.context import pause
from segops.plugins.admin.http import HttpClient
from segops.plugins.admin.messages import printable
from segops.plugins.admin.records import R, Record
from segops.utils import check_number

T = TypeVar("T")

FIRST_INTERVAL = 0.25
LAST_INTERVAL = 5.0
"""Seconds between two polls: at first, and at most."""

_SHOWN = 300
_FINISHED = frozenset({"complete", "completed", "done", "finished", "ready", "success", "succeeded"})
_FAILED = frozenset({"failed", "error", "expired", "cancelled"})


def wait_until(
    http: HttpClient, read: Callable[[], T], is_done: Callable[[T], bool], *, timeout: float, what: str
) -> T:
    """Poll at increasing intervals until the result is done, and return it.

    Args:
        http: The client, for its clock.
        read: Asks the server.
        is_done: Checks the result.
        timeout: Seconds to wait at most.
        what: What to wait for, such as "the export"; it opens the message.

    Raises:
        SegOpsTimeoutError: It is not done in time; the server keeps working.
    """
    check_number("timeout", timeout, minimum=0)
    end = http.clock.monotonic() + timeout
    interval = FIRST_INTERVAL
    while not is_done(state := read()):
        left = end - http.clock.monotonic()
        if left <= 0:
            raise SegOpsTimeoutError(
                f"{what} did not finish within {timeout:g} s: it is still running, check again later"
            )
        pause(http.clock, min(interval, left))
        interval = min(interval * 1.5, LAST_INTERVAL)
    return state


def wait_for_computation(
    http: HttpClient, read: Callable[[], R], start: Callable[[], object], *, timeout: float, what: str
) -> R:
    """Start a computation and return the record once its `last_computed_at` has changed.

    Raises:
        SegOpsTimeoutError: It does not finish in time.
    """
    before = read().get("last_computed_at")
    start()
    return wait_until(
        http, read, lambda record: record.get("last_computed_at") not in (None, before), timeout=timeout, what=what
    )


def wait_for_job(http: HttpClient, first: R, read: Callable[[], R], *, timeout: float, what: str) -> R:
    """Wait until the `status` of a job is final, and return the job.

    Raises:
        SegOpsJobError: The job failed.
        SegOpsTimeoutError: The job does not finish in time.
    """
    job = first if is_finished(first) else wait_until(http, read, is_finished, timeout=timeout, what=what)
    if job.get("status") in _FAILED:
        raise SegOpsJobError(f"{what} ended with status {job.get('status')!r}: {_reason(job)}", job=job.to_dict())
    return job


def is_finished(job: Record) -> bool:
    """Return whether a job has succeeded or failed.

    Raises:
        SegOpsResponseError: Its status is not a string.
    """
    status = job.get("status")
    if status is not None and not isinstance(status, str):
        raise SegOpsResponseError(f"job status must be a string, got {type(status).__name__}", status=200)
    return status in _FINISHED | _FAILED


def _reason(job: Record) -> str:
    """Return why a job failed: the first error that the server reports."""
    errors = job.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    reason = job.get("error") or job.get("error_message") or first
    if reason is None:
        return "the server gave no reason"
    return printable(reason if isinstance(reason, str) else msgspec.json.encode(reason).decode(), _SHOWN)
