"""The request that is being served: who its user is, and what its headers say."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Any, Protocol

from segops import SegOpsError, SegOpsEventError, UserContext
from segops.integrations import urls
from segops.utils import log


class Visitor:
    """Who a request or a task is about.

    It is shared by all that serve the request: a context variable that an endpoint sets is not seen by a middleware
    around it, but an attribute of this object is.

    Attributes:
        user_id: The user, or None.
        is_logged_out: Whether the application logged the user out.
        is_skipped: Whether the application said that this is not a page view.
    """

    __slots__ = ("is_logged_out", "is_skipped", "user_id")

    def __init__(self, user_id: str | None = None) -> None:
        self.user_id = user_id
        self.is_logged_out = False
        self.is_skipped = False

    def is_known(self) -> bool:
        """Return whether the application named the user, or logged the user out."""
        return self.user_id is not None or self.is_logged_out

    def anonymous_id(self) -> str | None:
        """Return the id of the visitor or device, if there is one."""
        return None


class Pages(Protocol):
    """What becomes of requests."""

    def anonymous_id(self, request: WebRequest) -> str | None:
        """Return the id of a visitor, if the policy allows one."""
        ...

    def track(self, request: WebRequest) -> None:
        """Track a page view, unless the policy leaves it out."""
        ...


class WebRequest(Visitor):
    """A request, as the functions of a `Policy` get it.

    Attributes:
        raw: The ASGI scope, or the WSGI environment; for Django, `HttpRequest.META`.
        method: The HTTP method.
        scheme: "http" or "https".
        path: The path, decoded.
        query: The query, as sent and without the question mark.
        peer: The address of the client, or of the last proxy.
        is_page: Whether the response is one of a page view, as far as it is known.
        new_id: The anonymous id that this request gave the visitor, who has none yet.
        is_new_id_sent: Whether a cookie with it is part of the response.
        has_started: Whether the response has started, so that no cookie can be added.
        consents: Whether the visitor agreed to be tracked; None if nobody asked yet.
    """

    __slots__ = (
        *("_pages", "consents", "has_started", "is_new_id_sent", "is_page", "method", "new_id"),
        *("path", "peer", "query", "raw", "scheme"),
    )

    def __init__(
        self, pages: Pages, raw: Any, method: str, *, scheme: str, path: str, query: str, peer: str | None
    ) -> None:
        self.user_id: str | None = None  # not by the base class: a call for each request
        self.is_logged_out = False
        self.is_skipped = False
        self._pages = pages
        self.raw = raw
        self.method = method
        self.scheme = scheme
        self.path = path
        self.query = query
        self.peer = peer
        self.is_page = False
        self.new_id: str | None = None
        self.is_new_id_sent = False
        self.has_started = False
        self.consents: bool | None = None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"<{type(self).__name__} {self.method}>"

    def encoded_path(self) -> str:
        """Return the path as it is in a URL."""
        return urls.encode_path(self.path)

    def header(self, name: str) -> str | None:
        """Return the value of a header, decoded as latin-1, or None. Values of repeated headers are joined."""
        raise NotImplementedError

    def is_unusual(self) -> bool:
        """Return whether the request has one of the headers that few page views have."""
        raise NotImplementedError

    def cookie(self, name: str) -> str | None:
        """Return the value of the first cookie of this name, or None."""
        found = re.search(rf"(?:^|;)\s*{re.escape(name)}=([^;]*)", self.header("cookie") or "")
        return found[1].strip() if found else None

    def anonymous_id(self) -> str | None:
        """Return the id of the visitor, if the policy allows one; with cookies, one is created."""
        return self._pages.anonymous_id(self)

    def finish(self) -> None:
        """Track the page view, if it is one. The response has ended."""
        if self.is_page:
            self.is_page = False
            self._pages.track(self)


current: ContextVar[Visitor | None] = ContextVar("segops_visitor", default=None)
"""Whom the running request or task is about."""

_strict: set[str] = set()
_reported: set[str] = set()


def be_strict() -> None:
    """Have mistakes in calls of this module raise, because a client is strict."""
    _strict.add("strict")


def identify_request(user_id: str | None) -> None:
    """Say who the user of the current request is. Call it anywhere inside the request, also on another thread.

    Args:
        user_id: Your own id for the person. None logs the user out: the visitor is anonymous, under a new id if the
            policy has cookies.

    Raises:
        SegOpsEventError: Only if a client is strict: `user_id` is not a non-empty string.
        SegOpsError: Only if a client is strict: no request is being served.

    Source: docs/identity.md.
    """
    visitor = _current("identify_request")
    if visitor is None:
        return
    if _strict and user_id is not None and not (isinstance(user_id, str) and user_id):
        shown = "''" if user_id == "" else type(user_id).__name__
        raise SegOpsEventError(
            f"user_id must be a non-empty string, got {shown}: pass str(user.id), or None to log out"
        )
    visitor.user_id = user_id
    visitor.is_logged_out = user_id is None


def skip_page_view() -> None:
    """Say that the current request is not a page view.

    Raises:
        SegOpsError: Only if a client is strict: no request is being served.
    """
    visitor = _current("skip_page_view")
    if visitor is not None:
        visitor.is_skipped = True


def request_identity() -> UserContext:
    """Return who the current request or task is about; empty if nobody is known, or outside of a request.

    Use it for your own events, and as `get_user` of a client with a public key.

    Source: docs/identity.md.
    """
    visitor = current.get()
    if visitor is None:
        return UserContext()
    return UserContext(visitor.user_id, visitor.anonymous_id())


def report_once(event: str, message: str) -> None:
    """Write a warning to the log, the first time it occurs."""
    if message not in _reported and len(_reported) < _MAX_REPORTED:
        _reported.add(message)
        log("warning", event, error=message)


_MAX_REPORTED = 100


def _current(function: str) -> Visitor | None:
    visitor = current.get()
    if visitor is None:
        message = (
            f"{function}() was called outside of a request, and has no effect: call it while AsgiMiddleware, "
            "WsgiMiddleware, or a task of segops.integrations.celery runs"
        )
        if _strict:
            raise SegOpsError(message)
        report_once("segops.integrations.no_request", message)
    return visitor
