"""The cost of middleware for each page, in process: beside the bare application, and beside `track_page_view`.

The call is made by the application itself, as one would by hand, so that both meet the caches that a framework leaves.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from bench.conftest import MakeClient
from bench.report import Bench, Goal
from segops import SegOpsClient
from segops.integrations import AsgiMiddleware, WsgiMiddleware

PAGES = 500
ROUNDS = 30
HEADERS = {
    "host": "shop.example.org",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "en-US,en;q=0.5",
    "accept-encoding": "gzip, deflate, br, zstd",
    "referer": "https://www.example.com/blog",
    "connection": "keep-alive",
    "cookie": "theme=dark; session=4711",
    "upgrade-insecure-requests": "1",
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "cross-site",
}
URL = "https://shop.example.org/shoes"

Interface = Literal["ASGI", "WSGI"]
Serve = Callable[[int], None]


def starlette(client: SegOpsClient | None) -> Any:
    async def shoes(request: Request) -> HTMLResponse:
        if client is not None:
            client.track_page_view(path="/shoes", url=URL, referrer=request.headers.get("referer"))
        return HTMLResponse("<p>shoes")

    return Starlette(routes=[Route("/shoes", shoes)])


def flask(client: SegOpsClient | None) -> Any:
    app = Flask("shop")

    @app.get("/shoes")
    def shoes() -> str:
        if client is not None:
            client.track_page_view(path="/shoes", url=URL, referrer=request.headers.get("referer"))
        return "<p>shoes"

    return app.wsgi_app


def asgi_server(application: Callable[..., Awaitable[None]]) -> Serve:
    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(_: Any) -> None:
        pass

    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    scope = {"type": "http", "method": "GET", "path": "/shoes", "raw_path": b"/shoes", "root_path": ""}
    scope |= {"query_string": b"", "scheme": "https", "client": ("192.0.2.1", 4711), "server": ("127.0.0.1", 8000)}

    async def serve(pages: int) -> None:
        for _ in range(pages):
            await application({**scope, "headers": list(headers)}, receive, send)

    return lambda pages: asyncio.run(serve(pages))


def wsgi_server(application: Any) -> Serve:
    fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()}
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/shoes", "QUERY_STRING": "", **fields}
    environ |= {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "REMOTE_ADDR": "192.0.2.1"}

    def serve(pages: int) -> None:
        for _ in range(pages):
            body = application({**environ, "wsgi.url_scheme": "https", "wsgi.input": io.BytesIO()}, lambda *_: None)
            for _ in body:
                pass
            body.close()

    return serve


@pytest.mark.parametrize("interface", ["ASGI", "WSGI"])
def test_a_page(bench: Bench, make_client: MakeClient, sink: str, interface: Interface) -> None:
    client = make_client(sink, batch_size=1_000_000, flush_interval=3600)
    make, server = (starlette, asgi_server) if interface == "ASGI" else (flask, wsgi_server)
    middleware: Any = AsgiMiddleware if interface == "ASGI" else WsgiMiddleware
    bare, by_hand = server(make(None)), server(make(client))
    tracked = server(middleware(make(None), client))

    def cost(serve: Serve) -> float:
        """Return the CPU seconds of a page, on this thread."""
        started = time.thread_time()
        serve(PAGES)
        taken = time.thread_time() - started
        assert client.flush(10)
        return taken / PAGES

    tripled = bench.alternate(lambda: cost(tracked), lambda: (cost(bare), cost(by_hand)), ROUNDS)
    framework = "Starlette" if interface == "ASGI" else "Flask"
    pairs = [(ours, alone) for ours, (alone, _) in tripled]
    bench.row(f"a page of {framework} with middleware, CPU", pairs, unit="s", against="the bare application")
    pairs = [(ours - alone, hand - alone) for ours, (alone, hand) in tripled]
    goal = Goal("≤", 2.0)
    bench.row(
        f"added by {interface} middleware, CPU", pairs, unit="s", against="track_page_view() in a page", goal=goal
    )
