"""The built-in plugin `logging`: an observer that writes errors, drops, and retries to the log.

docs/logging.md lists the events and their fields, and says how to filter or silence them.
"""

from __future__ import annotations

from segops.core import (
    Observer,
    SegOpsApiError,
    SegOpsAuthenticationError,
    SegOpsEventError,
    SegOpsPermissionError,
    SegOpsPluginError,
    SegOpsSpoolError,
    hookimpl,
)
from segops.utils import Level, is_logging_configured, log, monotonic

__all__ = ["LogObserver", "segops_register_observers"]

_INTERVAL = 60.0
"""Seconds for which further lines of the same kind are counted instead of written."""

_MAX_GROUPS = 100
"""Kinds of errors that are remembered; messages of plugins may be of any number."""


class LogObserver(Observer):
    """Writes one line per kind of error and minute at most, and each retry at level debug.

    Args:
        is_quiet: Whether to write only if the application configured logging, rather than to stderr. The client sets
            this if it has an `on_error`.
    """

    name = "logging"

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._retried: Exception | None = None
        self._suppressed: dict[tuple[str, object], _Suppressed] = {}

    @hookimpl
    def segops_register_observers(self) -> list[Observer]:
        """Register an observer for one client."""
        return [LogObserver(is_quiet=self._is_quiet)]

    def on_delivered(self, count: int, seconds: float) -> None:  # noqa: ARG002 - as the base class has it
        """Forget the failures before it."""
        self._retried = None

    def on_retry(self, error: Exception, delay: float) -> None:
        """Write `segops.delivery.retry` at level debug."""
        self._retried = error
        self._write("debug", "segops.delivery.retry", delay=round(delay, 3), **_describe(error))

    def on_error(self, error: Exception) -> None:
        """Write an error, unless `on_retry` has already written it."""
        if error is self._retried:
            return
        level, event, group = _classify(error)
        count = error.count if isinstance(error, SegOpsEventError) else 1
        if len(self._suppressed) > _MAX_GROUPS:
            self._suppressed.clear()
        suppressed = self._suppressed.setdefault((event, group), _Suppressed())
        if not suppressed.add(count):
            return
        fields = _describe(error)
        if isinstance(error, SegOpsEventError):
            fields = {"reason": error.reason, "count": suppressed.count, **fields}
            if error.reason == "undeliverable" and self._retried is not None:
                fields["last_error"] = str(self._retried)
        elif suppressed.count > 1:
            fields["count"] = suppressed.count
        suppressed.count = 0
        self._write(level, event, **fields)

    def _write(self, level: Level, event: str, **fields: object) -> None:
        if not self._is_quiet or is_logging_configured():
            log(level, event, **fields)


class _Suppressed:
    """Errors of one kind since the last line about them."""

    def __init__(self) -> None:
        self.count = 0
        self._silent_until = float("-inf")

    def add(self, count: int) -> bool:
        """Count an error and return whether a line is due."""
        self.count += count
        now = monotonic()
        if now < self._silent_until:
            return False
        self._silent_until = now + _INTERVAL
        return True


def _classify(error: Exception) -> tuple[Level, str, object]:
    """Return the level and the event name of an error, and what tells it from others of the same event."""
    if isinstance(error, SegOpsEventError):
        return "warning", "segops.delivery.drop", error.reason
    if isinstance(error, SegOpsAuthenticationError | SegOpsPermissionError):
        return "error", "segops.delivery.key_refused", error.status
    if isinstance(error, SegOpsPluginError):
        return "warning", "segops.plugin.broken", str(error)
    if isinstance(error, SegOpsSpoolError):
        return "error", "segops.spool.failed", None
    if isinstance(error, SegOpsApiError):
        return "error", "segops.delivery.refused", error.status
    return "error", "segops.delivery.failed", type(error)


def _describe(error: Exception) -> dict[str, object]:
    fields: dict[str, object] = {"error": str(error), "error_type": type(error).__name__}
    if isinstance(error, SegOpsApiError):
        fields["status"] = error.status
    return fields


name = LogObserver.name
segops_register_observers = LogObserver().segops_register_observers
"""The module is a plugin, too: it registers a `LogObserver` that prints on stderr if no logging is configured."""
