"""What was asked and how it was answered, for tests and for whoever watches."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping

import msgspec

from segops.core import Request
from segops.emulator.answers import Answer

_KEPT = 10_000
_AGENT = 200


class RequestRecord(msgspec.Struct, frozen=True):
    """One request.

    Attributes:
        at: The unix time.
        method: The HTTP method.
        path: The path without its query.
        status: The HTTP status of the answer.
        count: How many events it stored.
        skipped: How many events of it were refused as invalid.
        idempotency_key: The `Idempotency-Key` header; None if there was none.
        id: Its number, counted from 1.
        seconds: How long the answer took.
        agent: What sent it: the first 200 characters of `X-Requested-By`, else of `User-Agent`; empty if unknown.
        is_fault: Whether a scripted fault had its hand in it; its status is 0 if the connection was reset.
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


class Journal:
    """The last 10,000 requests, in memory."""

    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=_KEPT)
        self._numbers = itertools.count(1)

    def add(
        self,
        at: float,
        request: Request,
        headers: Mapping[str, str],
        answer: Answer,
        *,
        seconds: float = 0.0,
        is_fault: bool = False,
    ) -> None:
        """Record one request (`headers` are its own, names in lower case) and its answer."""
        record = RequestRecord(
            at=at,
            method=request.method,
            path=request.path.partition("?")[0],
            status=answer.status,
            count=answer.count,
            skipped=answer.skipped,
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
