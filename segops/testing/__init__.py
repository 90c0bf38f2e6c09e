"""Tools for the tests of applications and plugins. docs/testing.md is the guide.

- `MemoryTransport` records what was sent, and returns scripted responses.
- `FakeClock` stands still until a test moves it.
- `LocalSegOps` and `LocalServer` are a local SegOps, in the process or over HTTP.
- `make_client` and `TrackedEvents` are a client for tests, and its events with assertions.
- `RunningSegOps` is a local SegOps with its server.
- `TransportConformance` is the contract of transports as tests.

The pytest plugin hands them out as fixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segops.core import Response
from segops.testing.clients import make_client, memory_transport
from segops.testing.clock import FakeClock
from segops.testing.conformance import TransportConformance
from segops.testing.events import TrackedEvent, TrackedEvents
from segops.transports.memory import MemoryTransport, ScriptedResponse

if TYPE_CHECKING:
    from segops.emulator import LocalSegOps, LocalServer
    from segops.testing.running import RunningSegOps

__all__ = [
    "FakeClock",
    "LocalSegOps",
    "LocalServer",
    "MemoryTransport",
    "Response",
    "RunningSegOps",
    "ScriptedResponse",
    "TrackedEvent",
    "TrackedEvents",
    "TransportConformance",
    "make_client",
    "memory_transport",
]


if not TYPE_CHECKING:  # type checkers would accept every misspelled name

    def __getattr__(name: str) -> Any:
        """Load the local SegOps, and SQLite with it, on first use."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from segops.emulator import LocalSegOps, LocalServer  # noqa: PLC0415 - loads SQLite
        from segops.testing.running import RunningSegOps  # noqa: PLC0415 - as above

        return {"LocalSegOps": LocalSegOps, "LocalServer": LocalServer, "RunningSegOps": RunningSegOps}[name]


def __dir__() -> list[str]:
    """Return the public names, including those that are not loaded yet."""
    return sorted(__all__)
