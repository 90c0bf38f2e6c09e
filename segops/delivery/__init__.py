"""The engine: from `track()` to a settled event."""

from segops.delivery.intake import IS_COMPILED

__all__ = ["IS_COMPILED"]
