"""Wait for something that another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds; long enough for a busy machine, so that a test that waits for them has failed."""


def wait_until(condition: Callable[[], object], timeout: float = PATIENCE) -> bool:
    """Poll until the condition holds; return False if it does not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
