"""The log of the SDK: structlog, loaded when the first line is written."""

from __future__ import annotations

import sys
from typing import Any


def is_set_up() -> bool:
    """Tell whether the application has set up logging; if not, `warn` prints on stderr, as Python's own log does."""
    import logging  # noqa: PLC0415 - as below

    structlog = sys.modules.get("structlog")  # what was not loaded was not configured
    return (structlog is not None and structlog.is_configured()) or logging.getLogger("segops").hasHandlers()


def warn(message: str, **fields: Any) -> None:
    """Write a warning to the logger `segops`.

    An application that configured structlog gets the line through its own processors; any other gets it through the
    standard `logging`, so that nothing is ever printed to stdout.
    """
    import logging  # noqa: PLC0415 - neither is needed until something goes wrong

    import structlog  # noqa: PLC0415

    if structlog.is_configured():
        structlog.get_logger("segops").warning(message, **fields)
        return
    render = structlog.processors.KeyValueRenderer(key_order=["event"])
    structlog.wrap_logger(logging.getLogger("segops"), processors=[render]).warning(message, **fields)
