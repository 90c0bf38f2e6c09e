"""What was asked and how it was answered, for tests and for whoever watches."""

from __future__ import annotations

from collections import deque

import msgspec

from segops.core import Request
from segops.local.answers import Answer

_KEPT = 10_000


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
    """

    at: float
    method: str
    path: str
    status: int
    count: int
    skipped: int
    idempotency_key: str | None


class Journal:
    """The last 10,000 requests, in memory."""

    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=_KEPT)

    def add(self, at: float, request: Request, answer: Answer, idempotency_key: str | None) -> None:
        """Record one request and its answer."""
        path = request.path.partition("?")[0]
        self._records.append(
            RequestRecord(at, request.method, path, answer.status, answer.count, answer.skipped, idempotency_key)
        )

    def records(self) -> list[RequestRecord]:
        """Return the records, oldest first."""
        return list(self._records.copy())
