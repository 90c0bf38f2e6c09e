"""Keep a log of requests for tests and for the page of `segops dev`."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping

import msgspec

from segops.core import Request
from segops.emulator.responses import ApiResponse

_KEPT = 10_000
_AGENT = 200


class RequestRecord(msgspec.Struct, frozen=True):
    """One request and its outcome.

    Attributes:
        at: When it arrived, in Unix seconds.
        method: The HTTP method.
        path: The path without its query.
        status: The HTTP status of the response, or 0 if a scripted fault reset the connection.
        count: Number of events stored.
        skipped: Number of events rejected as invalid.
        idempotency_key: The `Idempotency-Key` header, or None.
        id: Its number, starting at 1.
        seconds: Time until the response was ready.
        agent: The first 200 characters of `X-Requested-By` or, without one, of `User-Agent`.
        is_fault: Whether a scripted fault affected it.
    """

    at: float
    method: str
    path: str
    status: int
    count: int
    skipped: int
    idempotency_key: str | None
    id: int = 0
    seconds: float = 0.0
    agent: str = ""
    is_fault: bool = False


class RequestLog:
    """The last 10,000 requests, in memory."""

    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=_KEPT)
        self._numbers = itertools.count(1)

    def add(
        self,
        at: float,
        request: Request,
        headers: Mapping[str, str],
        response: ApiResponse,
        *,
        seconds: float = 0.0,
        is_fault: bool = False,
    ) -> None:
        """Record a request, its headers with lower-case names, and its response."""
        record = RequestRecord(
            at=at,
            method=request.method,
            path=request.path.partition("?")[0],
            status=response.status,
            count=response.count,
            skipped=response.skipped,
            idempotency_key=headers.get("idempotency-key"),
            id=next(self._numbers),
            seconds=seconds,
            agent=(headers.get("x-requested-by") or headers.get("user-agent", ""))[:_AGENT],
            is_fault=is_fault,
        )
        self._records.append(record)

    def records(self) -> list[RequestRecord]:
        """Return the records, oldest first."""
        return list(self._records.copy())
