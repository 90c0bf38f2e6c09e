"""A flush at the end of each invocation, within the time that it has."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from segops import SegOpsClient, SegOpsConfigError
from segops.integrations.serverless import flush_after
from segops.testing import MemoryTransport
from tests.rig.fault_server import FaultServer, hold


class LambdaContext:
    """The context of an invocation that ends in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self.end - time.monotonic()) * 1000)


def make(**options: Any) -> tuple[SegOpsClient, MemoryTransport]:
    transport = MemoryTransport()
    return SegOpsClient(transport=transport, flush_interval=3600, batch_size=1000, **options), transport


def test_events_are_sent_when_the_handler_returns_or_raises() -> None:
    client, transport = make()

    @flush_after(client)
    def handler(event: dict[str, Any], context: object) -> str:
        """Handle it."""
        client.track(user_id=event["user"], event_type="x")
        assert len(transport.requests) < 2
        if event["user"] == "bad":
            raise ValueError("the application's own")
        return f"{event['user']} {context is None}"

    assert handler({"user": "good"}, None) == "good True"
    with pytest.raises(ValueError, match="own"):
        handler({"user": "bad"}, context=LambdaContext(30))
    assert [event["user_id"] for event in transport.events] == ["good", "bad"]
    assert (handler.__name__, handler.__doc__) == ("handler", "Handle it.")
    client.shutdown()


def test_asynchronous_handlers() -> None:
    client, transport = make()

    @flush_after(client)
    async def handler(event: dict[str, Any]) -> str:
        await asyncio.sleep(0)
        client.track(user_id=event["user"], event_type="x")
        if event["user"] == "bad":
            raise ValueError("the application's own")
        return "done"

    assert asyncio.run(handler({"user": "good"})) == "done"
    with pytest.raises(ValueError, match="own"):
        asyncio.run(handler({"user": "bad"}))
    assert [event["user_id"] for event in transport.events] == ["good", "bad"]
    client.shutdown()


def test_no_request_when_nothing_is_pending() -> None:
    client, transport = make()

    @flush_after(client)
    def handler() -> None: ...

    @flush_after(client)
    async def async_handler() -> None: ...

    handler()
    asyncio.run(async_handler())
    assert transport.requests == []
    client.shutdown()


def test_a_server_that_hangs_does_not_cost_the_invocation() -> None:
    with FaultServer(default=hold()) as server:
        client = SegOpsClient(server.url, "sk_test_lambda", flush_interval=3600)

        @flush_after(client, margin=1.0)
        def handler(_: object, __: LambdaContext) -> None:
            client.track(user_id="u-1", event_type="x")

        context = LambdaContext(3.0)
        handler({}, context)
        assert context.get_remaining_time_in_millis() > 0, "it ends before the deadline"
        handler({}, LambdaContext(0.2))  # no time is left

        @flush_after(client, timeout=0.5)
        def without_context() -> None:
            client.track(user_id="u-1", event_type="x")

        started = time.monotonic()
        without_context()
        assert time.monotonic() - started >= 0.5
        assert client.stats().pending == 3
        client.shutdown(0)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((lambda: None,), {}, r"client must be a SegOpsClient, got function: @flush_after\(client\)"),
        ((), {"margin": -1}, "margin must be .* got -1"),
        ((), {"timeout": "1"}, "timeout must be .* got '1'"),
    ],
)
def test_bad_options(arguments: Any, options: Any, message: str) -> None:
    client, _ = make()
    with pytest.raises(SegOpsConfigError, match=message):
        flush_after(*(arguments or (client,)), **options)
    client.shutdown()
