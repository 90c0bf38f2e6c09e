"""The built-in transports, registered with the hook that third-party plugins use.

A transport is imported when a URL with its scheme is first used, so importing this package loads neither urllib3 nor
ssl.
"""

from __future__ import annotations

from collections.abc import Mapping

from segops.core import Transport, TransportFactory, hookimpl
from segops.utils import needs_modules


@hookimpl
def segops_register_transports() -> Mapping[str, TransportFactory]:
    """Return the transports for `http:`, `https:`, `file:`, `stdout:` and `memory:`."""
    return {"http": _http, "https": _http, "file": _file, "stdout": _stdout, "memory": _memory}


def _http(url: str) -> Transport:
    with needs_modules("HTTP"):
        from segops.transports.http import HttpTransport  # noqa: PLC0415 - loads urllib3 and ssl

    return HttpTransport(url)


def _file(url: str) -> Transport:
    from segops.transports.ndjson import FileTransport  # noqa: PLC0415 - only if used

    return FileTransport.from_url(url)


def _stdout(url: str) -> Transport:
    from segops.transports.ndjson import StdoutTransport  # noqa: PLC0415 - only if used

    return StdoutTransport.from_url(url)


def _memory(url: str) -> Transport:
    from segops.transports.memory import MemoryTransport  # noqa: PLC0415 - only if used

    return MemoryTransport.from_url(url)
