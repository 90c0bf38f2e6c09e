"""A local SegOps: the API on your own machine, over one SQLite database.

It is a transport (`local:`) in process, and a `LocalServer` over HTTP. Both call `LocalSegOps.handle`, so they behave
the same. Names are loaded on first use: importing this package loads neither SQLite nor a server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segops.emulator.faults import Fault, Faults, parse_fault
    from segops.emulator.inspection import Filter, Inspection, Position, RejectedEvent, SeenEvent
    from segops.emulator.keys import ApiKey
    from segops.emulator.queries import StoredEvent, Summary
    from segops.emulator.request_log import RequestRecord
    from segops.emulator.responses import MAX_BODY
    from segops.emulator.server import LocalServer
    from segops.emulator.service import LocalSegOps
    from segops.emulator.transport import LocalTransport

__all__ = [
    "MAX_BODY",
    "ApiKey",
    "Fault",
    "Faults",
    "Filter",
    "Inspection",
    "LocalSegOps",
    "LocalServer",
    "LocalTransport",
    "Position",
    "RejectedEvent",
    "RequestRecord",
    "SeenEvent",
    "StoredEvent",
    "Summary",
    "parse_fault",
]

_MODULES = {
    "MAX_BODY": "responses",
    "ApiKey": "keys",
    "Fault": "faults",
    "Faults": "faults",
    "Filter": "inspection",
    "Inspection": "inspection",
    "LocalSegOps": "service",
    "LocalServer": "server",
    "LocalTransport": "transport",
    "Position": "inspection",
    "RequestRecord": "request_log",
    "SeenEvent": "inspection",
    "RejectedEvent": "inspection",
    "StoredEvent": "queries",
    "Summary": "queries",
    "parse_fault": "faults",
}


if not TYPE_CHECKING:  # or type checkers would accept every misspelled name

    def __getattr__(name: str) -> Any:
        """Import the module of a public name on first use."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "LocalServer":
            from segops.emulator.server import LocalServer  # noqa: PLC0415 - freezers find the other modules through the plugin

            return LocalServer
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
