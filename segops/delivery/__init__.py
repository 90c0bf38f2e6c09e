"""The engine: from `track()` to a settled event."""

from segops.delivery.queue import IS_COMPILED

__all__ = ["IS_COMPILED"]
