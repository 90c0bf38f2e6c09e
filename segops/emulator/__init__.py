"""SegOps on your own machine: one pure function from `Request` to `Response` over one SQLite database.

In process it is a transport (`local:`), over HTTP it is a `LocalServer`; both behave the same because both call
`LocalSegOps.handle`. Names are loaded on first use: importing this package loads neither SQLite nor a server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segops.emulator.answers import MAX_BODY
    from segops.emulator.faults import Fault, Faults, parse_fault
    from segops.emulator.inspection import Filter, Inspection, Position, SeenEvent, SkippedEvent
    from segops.emulator.journal import RequestRecord
    from segops.emulator.keys import ApiKey
    from segops.emulator.readback import StoredEvent, Summary
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
    "RequestRecord",
    "SeenEvent",
    "SkippedEvent",
    "StoredEvent",
    "Summary",
    "parse_fault",
]

_HOMES = {
    "MAX_BODY": "answers",
    "ApiKey": "keys",
    "Fault": "faults",
    "Faults": "faults",
    "Filter": "inspection",
    "Inspection": "inspection",
    "LocalSegOps": "service",
    "LocalServer": "server",
    "LocalTransport": "transport",
    "Position": "inspection",
    "RequestRecord": "journal",
    "SeenEvent": "inspection",
    "SkippedEvent": "inspection",
    "StoredEvent": "readback",
    "Summary": "readback",
    "parse_fault": "faults",
}


if not TYPE_CHECKING:  # type checkers would take every misspelt name for one that is loaded

    def __getattr__(name: str) -> Any:
        """Load the module of a public name on first use."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "LocalServer":
            from segops.emulator.server import LocalServer  # noqa: PLC0415 - freezers find the others through the plugin

            return LocalServer
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
