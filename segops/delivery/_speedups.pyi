from collections.abc import Callable, Mapping
from typing import Any

from segops.core.events import UserContext

INTERFACE: int

class EventQueue:
    encode: Callable[[object], bytes]
    event_types: frozenset[str] | None
    wake: Callable[[], None]
    max_event_bytes: int
    max_events: int
    max_bytes: int
    batch_events: int
    batch_bytes: int
    pending_bytes: int
    room: int
    wake_at: int
    overhead: int
    is_single: bool
    is_direct: bool
    @property
    def waiting(self) -> int: ...
    @property
    def taken(self) -> int: ...
    @property
    def out_of_turn(self) -> int: ...
    @property
    def is_closed(self) -> bool: ...
    def try_enqueue(
        self,
        user_id: str | None,
        event_type: str | None,
        payload: Mapping[str, Any] | None,
        anonymous_id: str | None,
        /,
    ) -> bool: ...
    def enqueue(self, event: bytes, /) -> bool: ...
    def drain(self) -> tuple[bytes, int, UserContext | None] | None: ...
    def release(self, events: int, size: int, /) -> None: ...
    def is_half_full(self) -> bool: ...
    def arm(self, length: int, /) -> None: ...
    def close(self) -> None: ...
