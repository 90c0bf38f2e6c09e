"""When events are sent."""

from __future__ import annotations

import msgspec

from segops.core.errors import SegOpsConfigError
from segops.core.options import check_number

DEFAULT_BATCH_SIZE = 20


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When events are sent.

    Attributes:
        batch: Whether events are collected; if not, each goes to the single-event endpoint at once.
        batch_size: Waiting events that start a flush. A flush takes what is there: this does not cap a request.
        flush_interval: Seconds after which waiting events are sent in any case; 0 for at once.
        timeout: Seconds that one request may take in all.

    Source: TypeScript SDK, "Constructor Options".
    """

    batch: bool = True
    batch_size: int = DEFAULT_BATCH_SIZE
    flush_interval: float = 5.0
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if type(self.batch_size) is not int:
            raise SegOpsConfigError(f"batch_size is {self.batch_size!r}: give a whole number of events")
        check_number("flush_interval", self.flush_interval, minimum=0)
        check_number("timeout", self.timeout, minimum=0)
        if self.timeout == 0:
            raise SegOpsConfigError("timeout is 0: give the seconds that a request may take")

    @property
    def threshold(self) -> int:
        """Waiting events that wake the worker. As in the vendor's client, a size below 1 means the default."""
        if not self.batch or self.flush_interval == 0:
            return 1
        return self.batch_size if self.batch_size > 0 else DEFAULT_BATCH_SIZE
