"""Keep tests away from a real SegOps; the pytest plugin turns it on. docs/testing.md is the guide.

It is controlled by environment variables, so that it also works in the processes that a test starts. It acts where a
client is made and where HTTP is sent, so it also sees clients that were made before it was turned on.
"""

from __future__ import annotations

import os
import sys

from segops.core.errors import SegOpsConfigError, SegOpsPermissionError
from segops.environment import GuardSettings, read_guard

_OFF = ("", "off")
_REMEDY = "use the fixture segops, set SEGOPS_API_URL=memory:, or mark the test with segops_live"
_FORBIDDEN = 403

_reported: set[str] = set()


def check_client(url: str) -> None:
    """Report or refuse a new client whose URL leads beyond this machine.

    Raises:
        SegOpsConfigError: The guard blocks it, or `SEGOPS_GUARD` is invalid.
    """
    if _acts_on(url, "made a client for") == "block":
        raise SegOpsConfigError(f"segops_guard blocks clients for {_origin(url)} in tests: {_REMEDY}")


def check_request(url: str) -> None:
    """Report or refuse a request that leaves this machine.

    Raises:
        SegOpsPermissionError: The guard blocks it. The error counts as a refusal, which is not retried.
        SegOpsConfigError: `SEGOPS_GUARD` is invalid.
    """
    if _acts_on(url, "sent a request to") == "block":
        message = f"segops_guard blocks requests to {_origin(url)} in tests: {_REMEDY}"
        raise SegOpsPermissionError(message, status=_FORBIDDEN)


def _acts_on(url: str, action: str) -> str | None:
    """Report what happens if the guard is on and the URL leads beyond this machine, and return the mode then."""
    settings = read_guard()
    if settings.mode in _OFF:
        return None
    if settings.mode not in ("block", "warn"):
        raise SegOpsConfigError(f"SEGOPS_GUARD must be block, warn or off, got {settings.mode!r}")
    if _is_on_this_machine(url):
        return None
    _report(f"{settings.test or 'outside of a test'} {action} {_origin(url)}", settings)
    return settings.mode


def _report(line: str, settings: GuardSettings) -> None:
    """Append a line to the report of the test run, once; print it if the run is over."""
    if line in _reported:
        return
    _reported.add(line)
    try:
        file = os.open(settings.report, os.O_WRONLY | os.O_APPEND)
    except OSError:
        sys.stderr.write(f"segops guard: {line}\n")
        return
    try:
        os.write(file, f"{line}\n".encode(errors="replace"))
    finally:
        os.close(file)


def _origin(url: str) -> str:
    """Return scheme, host and port; a path may contain secrets."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"


def _is_on_this_machine(url: str) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415 - for tests only, and slow to load
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    if host is None or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
