"""A site that is called in process, by ASGI and by WSGI, and what it tracked."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from segops import SegOpsClient
from segops.integrations import AsgiMiddleware, Policy, VisitCounts, WsgiMiddleware
from segops.transports.memory import MemoryTransport

Protocol = Literal["asgi", "wsgi"]
PROTOCOLS: tuple[Protocol, ...] = ("asgi", "wsgi")
HTML = (("content-type", "text/html; charset=utf-8"),)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BROWSER = {"Host": "shop.example.org", "User-Agent": FIREFOX, "Accept": "text/html,*/*;q=0.8"}


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def cookies(self) -> list[str]:
        return [value for name, value in self.headers if name.lower() == "set-cookie"]


class Site:
    """An application behind a middleware.

    Attributes:
        view: What the application does during a request.
        reply: What it responds.
        policy: The policy of the middleware.
    """

    def __init__(self, **options: Any) -> None:
        self.transport = MemoryTransport()
        self.client = SegOpsClient(transport=self.transport, worker="inline", batch_size=1_000_000, **options)
        self.view: Callable[[], object] = lambda: None
        self.reply = Reply(200, list(HTML), b"<p>hello")
        self.counts = VisitCounts()
        self.policy = Policy(observer=self.counts)

    def set_policy(self, **options: Any) -> None:
        self.policy = Policy(observer=self.counts, **options)

    def events(self) -> list[dict[str, Any]]:
        """Return what was tracked so far."""
        assert self.client.flush(30)
        return self.transport.events

    def page(self) -> dict[str, Any]:
        """Return the only event, which is a page view."""
        [event] = self.events()
        assert event["event_type"] == "page_viewed"
        return event

    def get(self, protocol: Protocol, path: str = "/shoes", query: str = "", **more: Any) -> Reply:
        """Request a page as a browser does; `headers` replace those of the browser, and None removes one."""
        method = more.pop("method", "GET")
        headers = {**BROWSER, **more.pop("headers", {})}
        given = [(name, value) for name, value in headers.items() if value is not None]
        if protocol == "asgi":
            return asyncio.run(self.serve_asgi(scope(method, path, query, given, **more)))
        return self.serve_wsgi(environ(method, path, query, given, **more))

    async def asgi(self, _: Any, __: Any, send: Any) -> None:
        """Be the ASGI application."""
        self.view()
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.reply.headers]
        await send({"type": "http.response.start", "status": self.reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.reply.body, "more_body": True})
        await send({"type": "http.response.body"})

    def wsgi(self, _: Any, start_response: Any) -> Iterable[bytes]:
        """Be the WSGI application."""
        self.view()
        start_response(f"{self.reply.status} Whatever", list(self.reply.headers))
        return [self.reply.body]

    async def serve_asgi(self, scope: dict[str, Any], application: Any = None) -> Reply:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        requests = [{"type": "http.request"}]

        async def receive() -> Any:
            return requests.pop() if requests else await asyncio.Event().wait()

        await AsgiMiddleware(application or self.asgi, self.client, policy=self.policy)(scope, receive, send)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"]]
        return Reply(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))

    def serve_wsgi(self, environ: dict[str, Any], application: Any = None) -> Reply:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], None]:
            assert error is None or error[1] is not None
            started[:] = [status, headers]
            return lambda _: None

        body = WsgiMiddleware(application or self.wsgi, self.client, policy=self.policy)(environ, start_response)
        try:
            content = b"".join(body)
        finally:
            if hasattr(body, "close"):
                body.close()
        return Reply(int(started[0][:3]), started[1], content)


def scope(
    method: str, path: str, query: str, headers: list[tuple[str, str]], *, scheme: str = "http", peer: str = "192.0.2.9"
) -> dict[str, Any]:
    """Return the scope of a request."""
    return {
        "type": "http",
        "method": method,
        "scheme": scheme,
        "path": path,
        "query_string": query.encode("latin-1"),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": (peer, 4711),
    }


def environ(
    method: str, path: str, query: str, headers: list[tuple[str, str]], *, scheme: str = "http", peer: str = "192.0.2.9"
) -> dict[str, Any]:
    """Return the environment of a request."""
    fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "REMOTE_ADDR": peer,
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(),
        **fields,
    }
