"""Log lines of the SDK, written through structlog to the logger `segops`.

Neither `logging` nor structlog is loaded before the first line. docs/logging.md lists the events.
"""

from __future__ import annotations

import sys
from typing import Any, Literal

LOGGER = "segops"

Level = Literal["debug", "warning", "error"]


def is_logging_configured() -> bool:
    """Return whether the application configured structlog, or a handler that the logger `segops` reaches.

    If not, Python's `logging` prints warnings and errors on stderr and drops the rest.
    """
    import logging  # noqa: PLC0415 - see the module's docstring

    return _is_structlog_configured() or logging.getLogger(LOGGER).hasHandlers()


def log(level: Level, event: str, **fields: Any) -> None:
    """Write one line: an event name such as `segops.delivery.retry`, with key-value fields.

    An application that configured structlog gets the line through its own processors. Any other gets it through the
    standard `logging`, so nothing is ever printed to stdout.
    """
    if _is_structlog_configured():
        logger = sys.modules["structlog"].get_logger(LOGGER)
    elif (logger := _standard_logger(level)) is None:
        return
    getattr(logger, level)(event, **fields)


def _is_structlog_configured() -> bool:
    structlog = sys.modules.get("structlog")  # what was not loaded was not configured
    return structlog is not None and structlog.is_configured()


def _standard_logger(level: Level) -> Any:
    """Return a logger that writes to the standard `logging`, or None if that would drop lines of this level."""
    import logging  # noqa: PLC0415

    standard = logging.getLogger(LOGGER)
    if not standard.isEnabledFor(getattr(logging, level.upper())):
        return None

    import structlog  # noqa: PLC0415

    render = structlog.processors.KeyValueRenderer(key_order=["event"])
    return structlog.wrap_logger(standard, processors=[render])
