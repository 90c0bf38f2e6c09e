"""Turn exceptions into one-line messages and exit codes."""

from __future__ import annotations

import os
import traceback
from enum import IntEnum

from segops.cli.terminal import print_message
from segops.core import (
    SegOpsApiError,
    SegOpsArgumentError,
    SegOpsAuthenticationError,
    SegOpsConfigError,
    SegOpsError,
    SegOpsNotFoundError,
    SegOpsPermissionError,
    SegOpsRateLimitError,
    SegOpsServerError,
    SegOpsTimeoutError,
    SegOpsTransportError,
)


class ExitCode(IntEnum):
    """The exit codes of the program; see docs/cli.md, "Exit codes"."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTHENTICATION = 4
    NETWORK = 5
    RATE_LIMITED = 6
    TIMED_OUT = 7
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    """As a shell reports a program that SIGPIPE ended."""


class DamagedFileError(SegOpsArgumentError):
    """A file cannot be read to its end."""


_OUTCOMES: tuple[tuple[type[SegOpsError], ExitCode, str], ...] = (
    (SegOpsConfigError, ExitCode.USAGE, ""),
    (SegOpsArgumentError, ExitCode.USAGE, ""),
    (SegOpsAuthenticationError, ExitCode.AUTHENTICATION, "check the API key"),
    (SegOpsPermissionError, ExitCode.AUTHENTICATION, "this key lacks permission: use another one"),
    (SegOpsNotFoundError, ExitCode.NOT_FOUND, "check the URL and the arguments"),
    (SegOpsRateLimitError, ExitCode.RATE_LIMITED, "wait a minute, then try again"),
    (SegOpsServerError, ExitCode.FAILED, "this is a server error: try again later"),
    (SegOpsApiError, ExitCode.FAILED, "check the URL and the arguments"),
    (SegOpsTimeoutError, ExitCode.TIMED_OUT, "try again, or allow more time"),
    (SegOpsTransportError, ExitCode.NETWORK, "check the URL, and that the server is running and reachable"),
)
"""Exit code and advice per error class. The first match applies; advice is for errors that bring none themselves."""


def fail(message: str, code: int = ExitCode.FAILED) -> int:
    """Print a message to stderr and return the exit code, for a command that reports its own failure."""
    print_message(f"segops: {message}")
    return code


def fail_with(error: Exception) -> int:
    """Print the message for an exception and return its exit code."""
    if isinstance(error, SegOpsError):
        return _fail_with_segops_error(error)
    if isinstance(error, OSError):  # such as a full disk
        path = "" if error.filename is None else f"{error.filename!r}: "
        return fail(f"{path}{error.strerror or error}")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    location = f"{os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119 - pathlib is slow to load
    return fail(
        f"unexpected {type(error).__name__}: {error} ({location}); "
        "this is a bug in segops or in a plugin: please report it with this line"
    )


def _needs_advice(error: SegOpsError, text: str) -> bool:
    """Return whether a message neither says what to do nor names the missing record."""
    return not (getattr(error, "advice", "") or "check " in text or text.endswith("not found (404)"))


def _fail_with_segops_error(error: SegOpsError) -> int:
    for cls, code, advice in _OUTCOMES:
        if isinstance(error, cls):
            text = str(error)
            return fail(f"{text}; {advice}" if advice and _needs_advice(error, text) else text, code)
    return fail(str(error))
