"""How admin calls are made."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segops.core import SegOpsConfigError
from segops.utils import check_number


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How each call is made.

    Attributes:
        timeout: Seconds that one attempt may take.
        max_retries: How often a call is repeated after 429, 5xx or no answer; 0 for never.
        deadline: Seconds that a call may take in all, with its retries and the waiting between them.
        idempotency_key: Sent with each mutation in place of a random one. It names one intent: use it for one call.
        headers: Sent with each request, besides those that are always sent.

    Raises:
        SegOpsConfigError: One of them is not usable.

    Source: admin-sdk.md, "Errors, retries, idempotency"; wire-protocol.md, sections 1.10 and 5.2.
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
                raise SegOpsConfigError(f"{name} is 0: give the seconds that a call may take")
        if type(self.max_retries) is not int or self.max_retries < 0:
            raise SegOpsConfigError(f"max_retries is {self.max_retries!r}: give a whole number, 0 for no retries")
        key = self.idempotency_key
        if key is not None and not (isinstance(key, str) and key and key.isascii() and key.isprintable()):
            raise SegOpsConfigError("idempotency_key must be printable ASCII text, such as a UUID")
