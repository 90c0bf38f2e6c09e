"""Middleware for WSGI applications: Flask, Django, and others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from segops import SegOpsClient
from segops.integrations.page_views import UNUSUAL_HEADERS, PageViews, report
from segops.integrations.policy import Policy
from segops.integrations.request import WebRequest, current

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@lru_cache(256)
def environ_key(header: str) -> str:
    """Return the name that a header has in the environment."""
    name = header.upper().replace("-", "_")
    return name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else "HTTP_" + name


UNUSUAL = frozenset(map(environ_key, UNUSUAL_HEADERS))


class WsgiMiddleware:
    """Tracks page views with their users.

    What the application receives and sends is unchanged, except for the cookie of `Policy(anonymous="cookie")`. When
    middleware is nested, the outermost one tracks.

    Args:
        app: The WSGI application.
        client: The client that the events are tracked with.
        policy: What may be recorded. Default: `Policy()`.

    Raises:
        SegOpsConfigError: An option is invalid.

    Source: docs/flask.md.
    """

    def __init__(self, app: WSGIApplication, client: SegOpsClient, *, policy: Policy | None = None) -> None:
        self._app = app
        self._pages = PageViews(client, policy)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        outer = current.get()
        if isinstance(outer, WsgiRequest) and outer.serves(environ):
            return self._app(environ, start_response)
        request = _make_request(environ, self._pages)
        wrapper = environ.get("wsgi.file_wrapper")
        made = None if wrapper is None or isinstance(wrapper, type) else _record_files(environ, wrapper)
        token = current.set(request)
        try:
            body = self._app(environ, self._watch(request, start_response))
            if type(body) is list and not request.is_page:
                return body
            if wrapper is not None and (isinstance(body, wrapper) if made is None else any(body is it for it in made)):
                request.finish()  # a server sends only its own wrapper as a file, so nothing can tell when it ends
                return body
        finally:
            current.reset(token)
        return SizedBody(request, body) if hasattr(body, "__len__") else Body(request, body)

    def _watch(self, request: WsgiRequest, start_response: StartResponse) -> StartResponse:
        def watching_start_response(status: str, headers: list[tuple[str, str]], *error: Any, **named: Any) -> Any:
            return start_response(status, self._start(request, status, headers), *error, **named)

        return watching_start_response

    def _start(self, request: WsgiRequest, status: str, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Look at the start of a response, and return its headers; with a cookie, if one is due."""
        request.is_page = False
        try:
            request.is_page = self._pages.is_page(request, int(status[:3]), _header(headers, "content-type"))
            if self._pages.sets_cookies and (cookie := self._pages.cookie(request, _header(headers, "cache-control"))):
                return [*headers, ("Set-Cookie", cookie)]
        except Exception as error:  # noqa: BLE001 - a malformed response is for the server to refuse
            report(error)
        return headers


class WsgiRequest(WebRequest):
    """A request whose `raw` is a WSGI environment."""

    __slots__ = ()

    def serves(self, environ: WSGIEnvironment) -> bool:
        """Return whether this is the request of an environment, which middleware may have copied."""
        return self.raw.get("wsgi.input", self) is environ.get("wsgi.input", environ)

    def header(self, name: str) -> str | None:
        """Return the value of a header, decoded as latin-1, or None. Values of repeated headers are joined."""
        value: str | None = self.raw.get(environ_key(name))
        return value

    def is_unusual(self) -> bool:
        """Return whether the request has one of the headers that few page views have."""
        return bool(self.raw.keys() & UNUSUAL)


class Body:
    """The body of a response, which the application returned.

    The request is the current one whenever code of the application runs, and ends with the last part of the body.
    """

    def __init__(self, request: WebRequest, body: Iterable[bytes]) -> None:
        self._request = request
        self._body = body
        self._next: Callable[[], bytes] | None = None
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        token = current.set(self._request)
        try:
            if self._next is None:
                self._next = iter(self._body).__next__
            return self._next()
        except StopIteration:
            self._request.finish()
            raise
        finally:
            current.reset(token)

    def close(self) -> None:
        """Close the body of the application, once."""
        close = getattr(self._body, "close", None)
        if close is None or not self._is_open:
            return
        self._is_open = False
        token = current.set(self._request)
        try:
            close()
        finally:
            current.reset(token)


class SizedBody(Body):
    """A body with a length, from which some servers tell whether one part is the whole response."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]  # it has one


def _make_request(environ: WSGIEnvironment, pages: PageViews) -> WsgiRequest:
    get = environ.get
    path: str = get("SCRIPT_NAME", "") + get("PATH_INFO", "") or "/"
    if not path.isascii():
        path = path.encode("latin-1").decode("utf-8", "surrogateescape")
    scheme, query, peer = get("wsgi.url_scheme", "http"), get("QUERY_STRING", ""), get("REMOTE_ADDR")
    return WsgiRequest(
        pages, environ, get("REQUEST_METHOD", ""), scheme=scheme, path=path, query=query, peer=peer or None
    )


def _record_files(environ: WSGIEnvironment, wrapper: Callable[..., Any]) -> list[object]:
    """Return a list that will have what a `wsgi.file_wrapper` makes that is not a class."""
    made: list[object] = []

    def recording_wrapper(*args: Any, **named: Any) -> Any:
        made.append(wrapper(*args, **named))
        return made[-1]

    environ["wsgi.file_wrapper"] = recording_wrapper
    return made


def _header(headers: list[tuple[str, str]], wanted: str) -> str | None:
    """Return the value of a header of a response; the values of repeated ones joined."""
    values = [value for name, value in headers if name == wanted or name.lower() == wanted]
    return ",".join(values) if values else None
