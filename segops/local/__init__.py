"""SegOps on your own machine: one pure function from `Request` to `Response` over one SQLite database.

In process it is a transport (`local:`), over HTTP it is a `LocalServer`; both behave the same because both call
`LocalSegOps.handle`. Names are loaded on first use: importing this package loads neither SQLite nor a server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segops.local.journal import RequestRecord
    from segops.local.keys import ApiKey
    from segops.local.readback import StoredEvent, Summary
    from segops.local.server import LocalServer
    from segops.local.service import LocalSegOps
    from segops.local.transport import LocalTransport

__all__ = [
    "ApiKey",
    "LocalSegOps",
    "LocalServer",
    "LocalTransport",
    "RequestRecord",
    "StoredEvent",
    "Summary",
]

_HOMES = {
    "ApiKey": "keys",
    "LocalSegOps": "service",
    "LocalServer": "server",
    "LocalTransport": "transport",
    "RequestRecord": "journal",
    "StoredEvent": "readback",
    "Summary": "readback",
}


def __getattr__(name: str) -> Any:
    """Load the module of a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
