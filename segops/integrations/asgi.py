"""Middleware for ASGI applications: FastAPI, Starlette, Django, and others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from segops import SegOpsClient
from segops.core import SegOpsConfigError
from segops.integrations import urls
from segops.integrations.page_views import UNUSUAL_HEADERS, PageViews, report
from segops.integrations.policy import Policy
from segops.integrations.request import WebRequest, current

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@lru_cache(256)
def _key(header: str) -> bytes:
    """Return the name that a header has in the scope."""
    return header.lower().encode("latin-1", "replace")


_UNUSUAL = frozenset(_key(name) for name in UNUSUAL_HEADERS)
_BODIES = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})
_SHUTDOWN_ENDS = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})


class AsgiMiddleware:
    """Tracks page views with their users, and flushes the client when the server stops.

    What the application receives and sends is unchanged, except for the cookie of `Policy(anonymous="cookie")`. When
    middleware is nested, the outermost one tracks.

    Args:
        app: The ASGI application.
        client: The client that the events are tracked with.
        policy: What may be recorded. Default: `Policy()`.
        flush_timeout: Seconds that the shutdown of the server is delayed at most to send what is pending.
        handle_lifespan: Whether to respond to the server's lifespan protocol in place of the application. Set it for
            applications that don't know the protocol, such as Django's.

    Raises:
        SegOpsConfigError: An option is invalid.

    Source: docs/fastapi.md.
    """

    def __init__(
        self,
        app: Application,
        client: SegOpsClient,
        *,
        policy: Policy | None = None,
        flush_timeout: float = 5.0,
        handle_lifespan: bool = False,
    ) -> None:
        if not isinstance(flush_timeout, int | float) or not 0 <= flush_timeout < float("inf"):
            raise SegOpsConfigError(f"flush_timeout must be seconds, 0 or more, got {flush_timeout!r}")
        self._app = app
        self._client = client
        self._pages = PageViews(client, policy)
        self._flush_timeout = flush_timeout
        self._handle_lifespan = handle_lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, a websocket, or the lifespan of the application."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._serve_lifespan(scope, receive, send)
            return
        outer = current.get()
        if kind not in {"http", "websocket"} or (isinstance(outer, AsgiRequest) and outer.serves(scope)):
            await self._app(scope, receive, send)
            return
        request = AsgiRequest(self._pages, scope)
        if kind == "http" and (request.method == "GET" or self._pages.sets_cookies):
            send = self._watch(request, send)
        token = current.set(request)
        try:
            await self._app(scope, receive, send)
            if request.has_ended:
                request.finish()
        finally:
            current.reset(token)

    def _watch(self, request: AsgiRequest, send: Send) -> Send:
        def watching_send(message: Message) -> Awaitable[None]:
            kind = message["type"]
            if kind == "http.response.start":
                return send(self._start(request, message))
            if kind in _BODIES and not message.get("more_body", False):
                request.has_ended = True
            return send(message)

        return watching_send

    def _start(self, request: AsgiRequest, message: Message) -> Message:
        """Look at the start of a response, and return it; with a cookie, if one is due."""
        try:
            request.is_page = self._pages.is_page(request, message["status"], _header(message, b"content-type"))
            if self._pages.sets_cookies and (cookie := self._pages.cookie(request, _header(message, b"cache-control"))):
                return {**message, "headers": [*message.get("headers", ()), (b"set-cookie", cookie.encode())]}
        except Exception as error:  # noqa: BLE001 - a malformed response is for the server to refuse
            report(error)
        return message

    async def _serve_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def flushing_send(message: Message) -> None:
            nonlocal has_started
            if message["type"] in _SHUTDOWN_ENDS:
                await self._flush()
            await send(message)
            has_started = has_started or message["type"] == "lifespan.startup.complete"

        try:
            await (_lifespan if self._handle_lifespan else self._app)(scope, receive, flushing_send)
        except Exception:
            if has_started:
                await self._flush()
            raise

    async def _flush(self) -> None:
        """Send what is pending; what cannot be sent goes to the spool, if there is one."""
        import asyncio  # noqa: PLC0415 - loaded by the server, if it uses it

        client = self._client
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # trio, where nothing else runs by now
            client.flush(self._flush_timeout)
        else:
            await client.aflush(self._flush_timeout)
        stats = client.stats()
        if stats.pending > stats.spooled:
            client.shutdown(0)


class AsgiRequest(WebRequest):
    """A request whose `raw` is an ASGI scope.

    Attributes:
        has_ended: Whether the whole response was sent.
    """

    __slots__ = ("_headers", "has_ended")

    def __init__(self, pages: PageViews, scope: Scope) -> None:
        client = scope.get("client")
        super().__init__(
            pages,
            scope,
            scope.get("method", ""),
            scheme=scope.get("scheme", "http"),
            path=scope.get("path", ""),
            query=str(scope.get("query_string", b""), "latin-1"),
            peer=client[0] if client else None,
        )
        self.has_ended = False
        self._headers: dict[bytes, bytes] | None = None

    def serves(self, scope: Mapping[str, Any]) -> bool:
        """Return whether this is the request of a scope, which middleware may have copied.

        A server that starts the next request of a connection inside of one has its context, and another scope.
        """
        return self.raw["headers"] is scope.get("headers")

    def encoded_path(self) -> str:
        """Return the path as it is in a URL."""
        raw_path = self.raw.get("raw_path")
        return urls.tidy_path(raw_path) if raw_path else super().encoded_path()

    def header(self, name: str) -> str | None:
        """Return the value of a header, decoded as latin-1, or None. Values of repeated headers are joined."""
        value = (self._headers or self._fields()).get(_key(name))
        return None if value is None else value.decode("latin-1")

    def is_unusual(self) -> bool:
        """Return whether the request has one of the headers that few page views have."""
        return not _UNUSUAL.isdisjoint(self._headers or self._fields())

    def _fields(self) -> dict[bytes, bytes]:
        fields = self._headers
        if fields is None:
            headers = self.raw["headers"]
            fields = self._headers = dict(headers)
            if len(fields) != len(headers):
                fields = self._headers = _join(headers)
        return fields


def _join(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return headers with the values of repeated ones joined: HTTP/2 splits cookies, and proxies append lines."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        separator = b"; " if name == b"cookie" else b", "
        joined[name] = joined[name] + separator + value if name in joined else value
    return joined


def _header(message: Message, wanted: bytes) -> str | None:
    """Return the value of a header of a response; the values of repeated ones joined."""
    values = [value for name, value in message.get("headers", ()) if name == wanted or name.lower() == wanted]
    return b",".join(values).decode("latin-1") if values else None


async def _lifespan(_: Scope, receive: Receive, send: Send) -> None:
    """Take part in the lifespan protocol."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
