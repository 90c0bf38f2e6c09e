"""AsyncSegOpsAdmin behaves as SegOpsAdmin does."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from segops import AsyncSegOpsAdmin, RetryPolicy, SegOpsConfigError, SegOpsNotFoundError
from segops.emulator import LocalSegOps, LocalServer
from segops.plugins.admin import (
    AsyncItems,
    AsyncPage,
    EndpointCall,
    Id,
    Method,
    Receipt,
    Resource,
    endpoint,
    load_resources,
    methods_of,
)
from segops.transports.memory import MemoryTransport
from tests.admin.admin_rig import KEY, ok
from tests.rig.fault_server import Call as FaultyCall
from tests.rig.fault_server import FaultServer, drip, raw

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


def test_the_quick_start(local: LocalSegOps, tmp_path: Path) -> None:
    async def work(url: str) -> None:
        async with AsyncSegOpsAdmin(local.secret_key, base_url=url) as admin:
            event = {"user_id": "u-1", "event_type": "order_placed"}
            await admin.http.request("POST", "/ingestion/track/", body=event)
            made = await asyncio.gather(*(admin.segments.create(name=f"S{number}") for number in range(12)))
            assert sorted(segment.id for segment in made) == list(range(1, 13))
            assert [segment.id async for segment in admin.segments.iterate(page_size=5)] == list(range(1, 13))
            await admin.segments.update(1, definition={"logic": "AND", "conditions": []})
            segment = await admin.segments.recompute_and_wait(1)
            assert [member.user_id async for member in admin.segments.iterate_members(1)] == (
                ["u-1"] if segment.member_count else []
            )
            assert await admin.segments.export_to(1, tmp_path / "x.csv") == (tmp_path / "x.csv").stat().st_size
            with pytest.raises(SegOpsNotFoundError) as caught:
                await admin.segments.get(99)
            assert (caught.value.method, caught.value.path) == ("GET", "/api/segments/99/")

    with LocalServer(local) as server:
        run(work(server.url))


def test_pages() -> None:
    async def work() -> None:
        admin = AsyncSegOpsAdmin(base_url="local:")
        for number in range(5):
            await admin.products.create(sku=f"S-{number}", name="x")
        page = await admin.products.list(page_size=2)
        assert isinstance(page, AsyncPage)
        assert (page.count, len(page.results), page[0].sku) == (5, 2, "S-0")
        second = await page.next_page()
        assert second is not None
        assert [product.sku async for product in second.walk()] == ["S-2", "S-3", "S-4"]
        third = await second.next_page()
        assert third is not None
        assert await third.next_page() is None

    run(work())


def test_options_raw_responses_and_a_third_party_namespace() -> None:
    class Points(Resource):
        """Points."""

        path = "/points/"

        @endpoint("POST", "{collection}{id}/grant/")
        def grant(self, call: EndpointCall, id: Id) -> Receipt:  # noqa: A002
            """Grant."""
            return call.receipt(id=id)

    async def work() -> None:
        transport = MemoryTransport(503, ok({"id": 1}), ok({"status": "queued"}), offline=False)
        admin = AsyncSegOpsAdmin(KEY, transport=transport, retry=RetryPolicy(base=0.001))
        found = await admin.raw(admin.with_options(max_retries=1).segments.get, 1)
        assert found.result.id == 1
        assert found.response is not None
        assert found.response.status == 200
        assert (await admin.resource(Points).grant(1)).status == "queued"
        assert admin.transport is transport
        assert admin.methods == methods_of(load_resources())

    run(work())


def test_a_cancelled_wait_ends_its_thread() -> None:
    async def work() -> None:
        state = ok({"id": 1, "last_computed_at": None})
        admin = AsyncSegOpsAdmin(KEY, transport=MemoryTransport(*[state] * 999, offline=False))
        task = asyncio.create_task(admin.segments.recompute_and_wait(1, timeout=600))
        while len(requests(admin)) < 4:  # noqa: ASYNC110 - a thread gets it there
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started = time.monotonic()
    run(work())  # joins the threads of its executor
    assert time.monotonic() - started < 60


def requests(admin: AsyncSegOpsAdmin) -> list[Any]:
    assert isinstance(admin.transport, MemoryTransport)
    return admin.transport.requests


def test_a_cancelled_download_leaves_no_file(tmp_path: Path) -> None:
    begun = threading.Event()

    async def work(url: str) -> None:
        async with AsyncSegOpsAdmin(KEY, base_url=url) as admin:
            download = admin.segments.download_export(1, tmp_path / "x", progress=lambda *_: begun.set())
            task = asyncio.create_task(download)
            while not begun.is_set():  # noqa: ASYNC110 - a thread sets it
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with FaultServer(drip()) as server:
        run(work(server.url))
    assert list(tmp_path.iterdir()) == []


def test_the_loop_is_not_blocked() -> None:
    let = threading.Event()

    def respond_when_released(call: FaultyCall) -> None:
        call.read()
        assert let.wait(20)
        call.peer.send(raw(200, b'{"count": 0, "results": []}'))

    async def work(url: str) -> None:
        async with AsyncSegOpsAdmin(KEY, base_url=url, timeout=60, max_retries=0) as admin:
            slow = asyncio.create_task(admin.segments.list())
            for _ in range(5):
                await asyncio.sleep(0.01)
                assert not slow.done(), "it waits for a response that only this loop releases"
            let.set()
            assert (await slow).results == []

    with FaultServer(respond_when_released) as server:
        run(work(server.url))


def test_construction_and_shown_state() -> None:
    with pytest.raises(SegOpsConfigError):
        AsyncSegOpsAdmin("pk_1")
    admin = AsyncSegOpsAdmin(KEY, base_url="https://example.org")
    assert repr(admin) == "<AsyncSegOpsAdmin https://example.org ApiKey(sk_…)>"
    assert "planted" not in repr(admin.segments)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(admin)
    with pytest.raises(AttributeError, match="segmints"):
        admin.segmints  # type: ignore[attr-defined] # noqa: B018
    assert "segments" in dir(admin)
    assert "list" in dir(admin.segments)
    assert admin.segments.path == "/segments/"  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", methods_of(load_resources()), ids=lambda method: f"{method.namespace}.{method.name}")
def test_every_method_is_awaited_or_iterated_over(method: Method) -> None:
    admin = AsyncSegOpsAdmin(KEY, base_url="memory:")
    function = getattr(getattr(admin, method.namespace), method.name)
    assert inspect.signature(function) == method.signature
    if method.uses and method.pagination:
        assert isinstance(function(*["1"] * _required(method)), AsyncItems)
    else:
        assert inspect.iscoroutinefunction(function)


def _required(method: Method) -> int:
    return sum(
        parameter.default is parameter.empty and parameter.kind < parameter.VAR_POSITIONAL
        for parameter in method.signature.parameters.values()
    )
