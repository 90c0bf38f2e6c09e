"""Options of admin calls."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segops.core import SegOpsConfigError
from segops.utils import check_number


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to make each call.

    Attributes:
        timeout: Seconds for one attempt.
        max_retries: Retries after 429, 5xx or a network error; 0 turns them off.
        deadline: Seconds for a call with all its retries and the delays between them.
        idempotency_key: Sent with each mutation instead of a random key. Use it for one call only.
        headers: Further headers for each request.

    Raises:
        SegOpsConfigError: A value is invalid.

    Source: Admin SDK, "Errors, retries, idempotency".
    """

    timeout: float = 30.0
    max_retries: int = 3
    deadline: float = 300.0
    idempotency_key: str | None = None
    headers: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        for name in ("timeout", "deadline"):
            check_number(name, getattr(self, name), minimum=0)
            if getattr(self, name) == 0:
                raise SegOpsConfigError(f"{name} must be a positive number of seconds, got 0")
        if type(self.max_retries) is not int or self.max_retries < 0:
            raise SegOpsConfigError(f"max_retries must be an integer of at least 0, got {self.max_retries!r}")
        key = self.idempotency_key
        if key is not None and not (isinstance(key, str) and key and key.isascii() and key.isprintable()):
            raise SegOpsConfigError("idempotency_key must be printable ASCII text, such as a UUID")
