"""Clients for tests, which keep their events in memory."""

from __future__ import annotations

from segops import SegOpsClient
from segops.core import Clock, SegOpsConfigError
from segops.environment import without_settings
from segops.testing.clock import FakeClock
from segops.transports.memory import MemoryTransport


def make_client(*, clock: Clock | None = None) -> SegOpsClient:
    """Create a strict client over `memory:`, as the fixture `segops` does.

    It sends on the thread that tracks or flushes. It has no installed plugins, and ignores environment variables.

    Args:
        clock: Its clock, which also gives events their time. Default: a `FakeClock`.
    """
    with without_settings():
        return SegOpsClient(transport=MemoryTransport(), strict=True, worker="inline", clock=clock or FakeClock())


def memory_transport(client: SegOpsClient) -> MemoryTransport:
    """Return the transport of a client over `memory:`.

    Raises:
        SegOpsConfigError: The client has another transport.
    """
    transport = client.transport
    if not isinstance(transport, MemoryTransport):
        where = transport.url or type(transport).__name__
        raise SegOpsConfigError(
            f"expected a client over memory:, got one over {where}: "
            "set SEGOPS_API_URL=memory:, and do not set SEGOPS_DISABLED, before it is made"
        )
    return transport
