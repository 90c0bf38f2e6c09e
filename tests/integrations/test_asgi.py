"""What an ASGI application gets and gives is unchanged, whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from segops import SegOpsClient, SegOpsConfigError
from segops.integrations import AsgiMiddleware, identify_request, request_identity
from segops.testing import MemoryTransport
from tests.integrations.web_rig import BROWSER, HTML, Reply, Site, scope

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]}
END = {"type": "http.response.body", "body": b"ok"}


def request(path: str = "/", **more: Any) -> dict[str, Any]:
    return {**scope("GET", path, "", list(BROWSER.items())), **more}


def serve(site: Site, application: Any, path: str = "/") -> Reply:
    return asyncio.run(site.serve_asgi(request(path), application))


async def through_another_middleware(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
    response = await call_next(request)
    response.headers["x-user"] = str(request_identity().user_id)
    return response


async def endpoint(_: Request) -> HTMLResponse:
    identify_request("async")
    return HTMLResponse("ok")


def threaded(_: Request) -> HTMLResponse:
    identify_request("threaded")
    return HTMLResponse("ok")


async def streaming(_: Request) -> StreamingResponse:
    async def body() -> AsyncIterator[str]:
        yield "a"
        identify_request("streaming")
        yield "b"

    return StreamingResponse(body(), media_type="text/html")


async def in_the_background(_: Request) -> HTMLResponse:
    return HTMLResponse("ok", background=BackgroundTask(fail))


async def failing_stream(_: Request) -> StreamingResponse:
    async def body() -> AsyncIterator[str]:
        yield "a"
        fail()

    return StreamingResponse(body(), media_type="text/html")


def fail(*_: object) -> Any:
    raise ValueError("the application's own")


def starlette(client: SegOpsClient, **options: Any) -> Starlette:
    return Starlette(
        routes=[
            Route("/async", endpoint),
            Route("/threaded", threaded),
            Route("/streaming", streaming),
            Route("/fails", fail),
            Route("/fails-streaming", failing_stream),
            Route("/background", in_the_background),
            Mount("/mounted", AsgiMiddleware(Starlette(routes=[Route("/async", endpoint)]), client)),
        ],
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=through_another_middleware),
            Middleware(AsgiMiddleware, client=client),
            Middleware(BaseHTTPMiddleware, dispatch=through_another_middleware),
        ],
        **options,
    )


@pytest.mark.parametrize("path", ["/async", "/threaded", "/streaming", "/mounted/async"])
def test_the_user_is_seen_between_and_behind_other_middleware(site: Site, path: str) -> None:
    reply = serve(site, starlette(site.client), path)
    assert reply.status == 200
    assert site.page()["user_id"] == path.rpartition("/")[2], "one event, although three of ours are nested"
    assert site.page()["payload"]["path"] == path


@pytest.mark.parametrize("path", ["/fails", "/fails-streaming", "/background"])
def test_exceptions_are_unchanged_and_no_page_view(site: Site, path: str) -> None:
    with pytest.raises(Exception, match=r"own|unhandled errors"):
        serve(site, starlette(site.client), path)
    assert site.events() == []


def test_the_page_view_comes_after_the_response_has_ended(site: Site) -> None:
    seen = []

    async def send(message: Any) -> None:
        seen.append((message["type"], site.client.stats().accepted))

    async def go() -> None:
        await AsgiMiddleware(site.asgi, site.client)(request(), fail, send)

    asyncio.run(go())
    assert [accepted for _, accepted in seen] == [0, 0, 0]
    assert site.client.stats().accepted == 1


def test_a_client_that_hangs_up(site: Site) -> None:
    async def send(message: Any) -> None:
        if message["type"] != "http.response.start":
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        asyncio.run(AsgiMiddleware(site.asgi, site.client)(request(), fail, send))
    assert site.events() == []


def test_the_very_messages_and_the_scope_are_passed_on(site: Site) -> None:
    given = request(extensions={"http.response.pathsend": {}})
    before = dict(given)
    sent: list[Any] = []
    messages = [
        {"type": "http.response.debug"},
        START,
        {"type": "http.response.body", "body": b"o", "more_body": True},
        {"type": "http.response.pathsend", "path": "/x"},
    ]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope is given
        assert receive is fail
        for message in messages:
            await send(message)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(AsgiMiddleware(application, site.client)(given, fail, send))
    assert all(one is other for one, other in zip(messages, sent, strict=True))
    assert given == before
    site.page()


@pytest.mark.parametrize("kind", ["websocket", "something new"])
def test_other_scopes_are_passed_on(site: Site, kind: str) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert (scope["type"], receive, send) == (kind, fail, fail)
        if kind == "websocket":
            identify_request("u-1")
            assert request_identity().user_id == "u-1"

    asyncio.run(AsgiMiddleware(application, site.client)({"type": kind, "headers": []}, fail, fail))
    assert site.events() == []


@pytest.mark.parametrize("start", [{}, {"status": "200", "headers": 5}, {"status": 200, "headers": [("a", "b", "c")]}])
def test_a_malformed_response_is_for_the_server_to_refuse(site: Site, start: dict[str, Any]) -> None:
    sent: list[Any] = []
    message = {"type": "http.response.start", **start}

    async def application(_: Any, __: Any, send: Any) -> None:
        await send(message)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(AsgiMiddleware(application, site.client)(request(), fail, send))
    assert sent == [message]


def test_a_request_that_starts_within_another_is_one_of_its_own(site: Site) -> None:
    """Servers start the next request of a pipeline in the context of the one before."""
    outer = AsgiMiddleware(site.asgi, site.client)

    async def ignore(_: Any) -> None:
        pass

    async def application(_: Any, __: Any, send: Any) -> None:
        identify_request("first")
        await asyncio.create_task(outer(request("/second"), fail, ignore))
        await send(START)
        await send(END)

    asyncio.run(AsgiMiddleware(application, site.client)(request("/first"), fail, ignore))
    whom = [(event["payload"]["path"], event["user_id"]) for event in site.events()]
    assert whom == [("/second", "anonymous"), ("/first", "first")]


def test_10_000_concurrent_requests_keep_their_users(site: Site) -> None:
    count = 10_000
    all_there = asyncio.Barrier(count) if hasattr(asyncio, "Barrier") else None

    async def application(scope: Any, _: Any, send: Any) -> None:
        identify_request(scope["path"])
        if all_there is not None:
            await all_there.wait()
        await send(START)
        await asyncio.sleep(0)
        await send(END)

    async def go() -> None:
        serving = [site.serve_asgi(request(f"/{number}"), application) for number in range(count)]
        assert {reply.body for reply in await asyncio.gather(*serving)} == {b"ok"}

    asyncio.run(go())
    events = site.events()
    assert len(events) == count
    assert all(event["user_id"] == event["payload"]["path"] for event in events)


class Lifespan:
    """A server that starts and stops an application."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.sent: list[Any] = []

    async def run(self) -> None:
        async def receive() -> Any:
            return {"type": "lifespan.shutdown" if self.sent else "lifespan.startup"}

        async def send(message: Any) -> None:
            self.sent.append(message["type"])

        await self.application({"type": "lifespan", "state": {}}, receive, send)


@pytest.mark.parametrize("handle_lifespan", [True, False])
def test_the_end_of_the_lifespan_flushes(site: Site, handle_lifespan: bool) -> None:  # noqa: FBT001
    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[dict[str, str]]:
        yield {"a": "b"}
        site.client.track(user_id="late", event_type="x")

    application: Any = fail if handle_lifespan else Starlette(lifespan=lifespan)
    site.client.track(user_id="early", event_type="x")
    server = Lifespan(AsgiMiddleware(application, site.client, handle_lifespan=handle_lifespan))
    asyncio.run(server.run())
    assert server.sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    whom = [event["user_id"] for event in site.transport.events]
    assert whom == (["early"] if handle_lifespan else ["early", "late"])


def test_an_application_without_lifespan_is_passed_on(site: Site) -> None:
    site.client.track(user_id="early", event_type="x")
    with pytest.raises(ValueError, match="own"):
        asyncio.run(Lifespan(AsgiMiddleware(fail, site.client)).run())
    assert site.transport.events == []


def test_a_lifespan_that_breaks_flushes_as_well(site: Site) -> None:
    async def application(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        site.client.track(user_id="early", event_type="x")
        fail()

    with pytest.raises(ValueError, match="own"):
        asyncio.run(Lifespan(AsgiMiddleware(application, site.client)).run())
    assert len(site.transport.events) == 1


def test_without_asyncio_it_flushes_as_well(site: Site) -> None:
    site.client.track(user_id="early", event_type="x")
    running = Lifespan(AsgiMiddleware(fail, site.client, handle_lifespan=True)).run()
    with pytest.raises(StopIteration):
        running.send(None)  # no event loop that asyncio knows, as with trio
    assert len(site.transport.events) == 1


def test_a_client_can_be_used_after_the_lifespan_but_for_a_server_that_is_down(tmp_path: Any) -> None:
    transport = MemoryTransport(default=503)
    client = SegOpsClient(transport=transport, spool=str(tmp_path / "spool" / "segops.db"), worker="inline")
    client.track(user_id="kept", event_type="x")
    asyncio.run(Lifespan(AsgiMiddleware(fail, client, flush_timeout=0.1, handle_lifespan=True)).run())
    assert client.stats().spooled == client.stats().pending == 1


def test_websockets_of_a_framework(site: Site) -> None:
    async def talk(websocket: WebSocket) -> None:
        identify_request("u-1")
        await websocket.accept()
        await websocket.close()

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    application = AsgiMiddleware(Starlette(routes=[WebSocketRoute("/", talk)]), site.client)
    given = {**request(), "type": "websocket", "subprotocols": []}
    del given["method"]
    asyncio.run(application(given, receive, send))
    assert sent == ["websocket.accept", "websocket.close"]


@pytest.mark.parametrize("value", [-1, "5", None, float("nan")])
def test_a_bad_flush_timeout(site: Site, value: Any) -> None:
    with pytest.raises(SegOpsConfigError, match="flush_timeout must be seconds, 0 or more, got"):
        AsgiMiddleware(fail, site.client, flush_timeout=value)


def test_headers_in_latin_1_and_any_status_arrive_as_they_are(site: Site) -> None:
    headers = [("x-name", "Zo\xeb"), *HTML, ("set-cookie", "a=\xff"), ("set-cookie", "b=1")]
    site.reply = Reply(299, headers, b"\x00\xff")
    assert site.get("asgi", headers={"X-Odd": "\xff\x80", "Cookie": "\xe9=\xff"}) == site.reply
    assert site.get("wsgi", headers={"X-Odd": "\xff\x80", "Cookie": "\xe9=\xff"}) == site.reply
    assert len(site.events()) == 2
