"""Middleware for Django, under WSGI and ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from segops.core import SegOpsConfigError
from segops.integrations.asgi import AsgiRequest
from segops.integrations.page_views import PageViews, report
from segops.integrations.request import Visitor, WebRequest, current
from segops.integrations.wsgi import Body, WsgiRequest
from segops.utils import nearest

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    GetResponse = Callable[[HttpRequest], Any]

_OPTIONS = ("client", "policy", "user_id")


class SegOpsMiddleware:
    """Tracks page views with the users of `django.contrib.auth`, synchronously and for asyncio.

    Put it first in `MIDDLEWARE`. If `WsgiMiddleware` or `AsgiMiddleware` is around the application, that one tracks,
    and this one adds the user.

    The setting `SEGOPS` is a dict with `client`, and optionally `policy` and `user_id`, a function that takes a user
    and returns the id to track. Each may be a dotted path. The default id is the primary key as text.

    Raises:
        SegOpsConfigError: The setting is missing or wrong.

    Source: docs/django.md.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction  # noqa: PLC0415 - only for Django
        from django.contrib.auth.signals import user_logged_in, user_logged_out  # noqa: PLC0415

        options = _read_options()
        self._get_response = get_response
        self._pages = PageViews(options["client"], options.get("policy"))
        self._user_id: Callable[[Any], str] = options.get("user_id") or _primary_key
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(cast("Callable[..., Any]", self))
        user_logged_in.connect(self._log_in, weak=False, dispatch_uid="segops")
        user_logged_out.connect(_log_out, weak=False, dispatch_uid="segops")

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve a request."""
        if self._is_async:
            return self._serve(request)
        outer = _outer(request)
        visitor = outer or self._make_request(request)
        token = current.set(visitor)
        try:
            response: HttpResponseBase = self._get_response(request)
            is_page = self._is_page(visitor, response)
            if is_page and not visitor.is_known():
                with _unnoticed(request):
                    self._identify(visitor, getattr(request, "user", None))
        finally:
            current.reset(token)
        return response if outer else self._watch(visitor, response, is_page=is_page)

    async def _serve(self, request: HttpRequest) -> HttpResponseBase:
        outer = _outer(request)
        visitor = outer or self._make_request(request)
        token = current.set(visitor)
        try:
            response: HttpResponseBase = await self._get_response(request)
            is_page = self._is_page(visitor, response)
            if is_page and not visitor.is_known() and (auser := getattr(request, "auser", None)) is not None:
                with _unnoticed(request):
                    self._identify(visitor, await auser())
        finally:
            current.reset(token)
        return response if outer else self._watch(visitor, response, is_page=is_page)

    def _make_request(self, request: HttpRequest) -> WebRequest:
        get = request.META.get
        return WsgiRequest(
            self._pages,
            request.META,
            str(request.method),
            scheme=request.scheme,
            path=request.path,
            query=get("QUERY_STRING", ""),
            peer=get("REMOTE_ADDR") or None,
        )

    def _identify(self, visitor: Visitor, user: Any) -> None:
        if user is not None and user.is_authenticated:
            visitor.user_id = self._user_id(user)

    def _log_in(self, request: HttpRequest, user: Any, **_: object) -> None:
        """Note the user whom a view logs in; `request.auser()` may still return the one before."""
        if (visitor := current.get()) is not None:
            with _unnoticed(request):
                self._identify(visitor, user)

    def _is_page(self, visitor: WebRequest, response: HttpResponseBase) -> bool:
        return self._pages.is_page(visitor, response.status_code, response.headers.get("Content-Type"))

    def _watch(self, visitor: WebRequest, response: HttpResponseBase, *, is_page: bool) -> HttpResponseBase:
        """Add the cookie if one is due, and have the end of the response track the page view."""
        visitor.is_page = is_page
        if self._pages.sets_cookies and (cookie := self._pages.cookie(visitor, response.headers.get("Cache-Control"))):
            response.cookies.load(cookie)
        if not visitor.is_page:
            return response
        if response.streaming and getattr(response, "file_to_stream", None) is None:
            watch = AsyncBody if response.is_async else Body
            response.streaming_content = watch(visitor, response.streaming_content)
            return response
        close = response.close

        def close_and_finish() -> None:
            close()
            token = current.set(visitor)
            try:
                visitor.finish()
            finally:
                current.reset(token)

        response.close = close_and_finish  # type: ignore[method-assign]
        return response


class AsyncBody:
    """The asynchronous body of a response, like `Body`."""

    def __init__(self, request: WebRequest, body: AsyncIterator[bytes]) -> None:
        self._request = request
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        token = current.set(self._request)
        try:
            return await anext(self._body)
        except StopAsyncIteration:
            self._request.finish()
            raise
        finally:
            current.reset(token)


def _outer(request: HttpRequest) -> WebRequest | None:
    """Return the request of a middleware around Django, if it serves the same one."""
    outer = current.get()
    if isinstance(outer, WsgiRequest):
        return outer if outer.serves(request.META) else None
    return outer if isinstance(outer, AsgiRequest) and outer.serves(getattr(request, "scope", {})) else None


@contextmanager
def _unnoticed(request: HttpRequest) -> Iterator[None]:
    """Read the user without a trace: the response needs no `Vary` for it, and an error is reported, not raised."""
    session = getattr(request, "session", None)
    was_accessed = getattr(session, "accessed", True)
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the database and the application's own functions may raise anything
        report(error)
    finally:
        if session is not None and not was_accessed:
            session.accessed = False


def _log_out(**_: object) -> None:
    if (visitor := current.get()) is not None:
        visitor.user_id = None
        visitor.is_logged_out = True


def _primary_key(user: Any) -> str:
    return str(user.pk)


def _read_options() -> dict[str, Any]:
    from django.conf import settings  # noqa: PLC0415 - as above
    from django.utils.module_loading import import_string  # noqa: PLC0415 - as above

    options = getattr(settings, "SEGOPS", None)
    if not isinstance(options, dict) or options.get("client") is None:
        raise SegOpsConfigError(
            'the setting SEGOPS must be a dict with a client, such as {"client": "shop.events.client"}, '
            f"got {type(options).__name__}{'' if not isinstance(options, dict) else ' without client'}"
        )
    for name in options:
        if name not in _OPTIONS:
            near = nearest(str(name), _OPTIONS)
            remedy = f"did you mean {near!r}?" if near else f"use {', '.join(_OPTIONS)}"
            raise SegOpsConfigError(f"the setting SEGOPS has an unknown key {name!r}: {remedy}")
    read = {name: import_string(value) if isinstance(value, str) else value for name, value in options.items()}
    if read.get("user_id") is not None and not callable(read["user_id"]):
        raise SegOpsConfigError(f"SEGOPS['user_id'] must be callable, got {type(read['user_id']).__name__}")
    return read
