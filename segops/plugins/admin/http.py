"""Make the HTTP calls of the admin SDK, with retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import msgspec

from segops.core import (
    Action,
    Backoff,
    Clock,
    Request,
    Response,
    RetryPolicy,
    SegOpsApiError,
    SegOpsConfigError,
    SegOpsRedirectError,
    SegOpsResponseError,
    SegOpsTransportError,
    Transport,
    admin_action,
    api_error,
    retry_after,
)
from segops.delivery import encode_json
from segops.plugins.admin.bodies import decode
from segops.plugins.admin.context import captured_responses, check_cancelled, pause
from segops.plugins.admin.messages import printable
from segops.plugins.admin.options import Options
from segops.plugins.admin.paths import check_path, with_query
from segops.plugins.admin.sinks import MemorySink, Sink
from segops.utils import log

UNSET = msgspec.UNSET
"""No body. None is a body: the JSON null."""

MUTATIONS = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_SUCCESS = 2
_MAX_REDIRECTS = 5


class HttpClient:
    """The low-level client: makes the calls of all methods, and of endpoints without a method. Thread-safe.

    Args:
        transport: Sends the requests.
        authorization: The value of the Authorization header, or None.
        options: How to make calls.
        policy: How long to wait between attempts.
        clock: The clocks.
        open_other: Opens a transport to another server, for files that are stored elsewhere.

    Source: Admin SDK, "Escape hatch".
    """

    def __init__(
        self,
        transport: Transport,
        *,
        authorization: str | None,
        options: Options,
        policy: RetryPolicy,
        clock: Clock,
        open_other: Callable[[str], Transport],
    ) -> None:
        self.transport = transport
        self.options = options
        self.clock = clock
        self._authorization = authorization
        self._policy = policy
        self._open_other = open_other

    def __repr__(self) -> str:
        """Show no key."""
        return f"<HttpClient {self.transport.url or type(self.transport).__name__}>"

    def with_options(self, options: Options) -> HttpClient:
        """Return a client with other options over the same transport."""
        return HttpClient(
            self.transport,
            authorization=self._authorization,
            options=options,
            policy=self._policy,
            clock=self.clock,
            open_other=self._open_other,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = UNSET,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Make a call and return the decoded JSON, the text of any other response, or None if it is empty.

        Args:
            method: The HTTP method.
            path: The percent-encoded path, relative to the base URL: "/segments/".
            query: The parameters of the query. None is left out; a list repeats the parameter.
            body: The body: anything with a JSON form, or bytes to send unchanged.
            headers: Further headers.
            idempotency_key: For mutations: the key to send instead of a random one.

        Raises:
            SegOpsArgumentError: The path or the query is invalid; nothing was sent.
            SegOpsApiError: The server returned an error, or a body that is not the JSON it claims to be.
            SegOpsTransportError: There was no response.
        """
        response = self.send(method, path, query=query, body=body, headers=headers, idempotency_key=idempotency_key)
        content_type = response.headers.get("content-type", "")
        if content_type and "json" not in content_type:
            return response.body.decode("utf-8", "replace") or None
        return decode(_describe(method.upper(), check_path(path)), response)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = UNSET,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Response:
        """Make a call as `request` does and return the response: status, headers, and body."""
        method = method.upper()
        sent = {"Accept": "application/json", **self.options.headers, **(headers or {})}
        if self._authorization is not None:
            sent["Authorization"] = self._authorization
        if method in MUTATIONS:
            sent["Idempotency-Key"] = idempotency_key or self.options.idempotency_key or str(uuid4())
        content = b""
        if body is not UNSET:
            is_encoded = isinstance(body, bytes | msgspec.Raw)
            content = bytes(body) if is_encoded else encode_json(body, "body")
            sent.setdefault(
                "Content-Type", "application/octet-stream" if isinstance(body, bytes) else "application/json"
            )
        request = Request(method, with_query(check_path(path), query or {}), sent, content)
        memory = MemorySink()
        head = self._send_with_retries(self.transport, request, memory, deadline=self.options.deadline)
        response = Response(head.status, head.headers, memory.body())
        _capture(response)
        return response

    def fetch(self, url: str, sink: Sink, *, timeout: float) -> None:
        """Download the file at `url` into a sink, following redirects.

        Only the server that the key belongs to receives it: other servers store files under URLs that grant access by
        themselves. An https server cannot redirect a download to plain http.

        Args:
            url: A path, or the URL of this server or of another one.
            sink: Receives the file.
            timeout: Seconds for the whole download; `options.timeout` limits each pause in it.

        Raises:
            SegOpsResponseError: The server names a location that files are not downloaded from.
        """
        end = self.clock.monotonic() + timeout
        for _ in range(_MAX_REDIRECTS):
            with self._open_target(url) as (transport, request):
                try:
                    deadline = end - self.clock.monotonic()
                    head = self._send_with_retries(transport, request, sink, deadline=deadline, is_file=True)
                except SegOpsRedirectError as error:
                    url = _join(url, error.headers.get("location", ""))
                    continue
            _capture(head)
            return
        raise SegOpsResponseError(f"the download was redirected more than {_MAX_REDIRECTS} times", status=302)

    @contextmanager
    def _open_target(self, url: str) -> Iterator[tuple[Transport, Request]]:
        """Yield the transport and the request for the URL of a file."""
        own = urlsplit(self.transport.url)
        with _as_server_error(url):
            other, origin = urlsplit(url), _origin(url)
            target = f"{other.path or '/'}{'?' if other.query else ''}{other.query}"
            is_path = not (other.scheme or other.netloc)
            is_own = is_path or origin == _origin(self.transport.url)
            path = check_path(target.removeprefix(own.path) if is_own and not is_path else target) if is_own else target
        if is_own:
            headers = {} if self._authorization is None else {"Authorization": self._authorization}
            yield self.transport, Request("GET", path, headers)
            return
        if other.scheme not in {own.scheme, "https"} or own.scheme not in {"http", "https"}:
            where = printable(f"{other.scheme}://{other.hostname}")
            raise SegOpsResponseError(
                f"the server stores the file at {where}, which must be https or a server like the base URL", status=200
            )
        with _as_server_error(url):
            transport = self._open_other(f"{other.scheme}://{other.netloc}")
        try:
            yield transport, Request("GET", path)
        finally:
            transport.close()

    def _send_with_retries(
        self, transport: Transport, request: Request, sink: Sink, *, deadline: float, is_file: bool = False
    ) -> Response:
        """Send a request until it succeeds, cannot succeed, or runs out of time or retries."""
        end = self.clock.monotonic() + deadline
        backoff = Backoff(self._policy, self.clock)
        attempt = 0
        while True:
            check_cancelled()
            attempt += 1
            left = max(end - self.clock.monotonic(), 0.001)
            response, failure = self._attempt(transport, request, sink, left, is_file=is_file)
            if failure is None:
                return response
            failure.method, failure.path, failure.attempts = request.method, request.path.partition("?")[0], attempt
            delay = backoff.failed(retry_after(response.headers, self.clock.time()))
            is_last = attempt > self.options.max_retries or self.clock.monotonic() + delay >= end
            is_offline = transport.offline and isinstance(failure, SegOpsTransportError)
            if is_last or is_offline or admin_action(failure) is not Action.RETRY or not sink.can_restart():
                raise failure
            _log_retry(failure, delay)
            pause(self.clock, delay)

    def _attempt(
        self, transport: Transport, request: Request, sink: Sink, left: float, *, is_file: bool
    ) -> tuple[Response, SegOpsApiError | SegOpsTransportError | None]:
        """Make one attempt and return the response, and the error if it failed."""
        timeout, idle = (left, self.options.timeout) if is_file else (min(left, self.options.timeout), None)
        try:
            response = transport.stream(request, sink.start, timeout=timeout, idle=idle)
        except (SegOpsTransportError, SegOpsResponseError) as error:
            return Response(0), error
        if response.status // 100 == _SUCCESS:
            return response, None
        body = response.body or (sink.body() if isinstance(sink, MemorySink) else b"")
        what = _describe(request.method, request.path)
        return response, api_error(what, response.status, body, response.headers)


@contextmanager
def _as_server_error(url: str) -> Iterator[None]:
    """Raise errors about the URL of a file as errors of the server, which sent it."""
    try:
        yield
    except (ValueError, SegOpsConfigError) as error:
        raise SegOpsResponseError(
            f"the server sent an invalid URL for the file: {printable(_without_secrets(url))!r}", status=200
        ) from error


def _join(url: str, location: str) -> str:
    with _as_server_error(location):
        return urljoin(url, location)


def _without_secrets(url: str) -> str:
    """Return a URL without its query, which grants access to the file, and without its password."""
    bare = url.partition("?")[0].partition("#")[0]
    scheme, marker, rest = bare.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{marker}{host.rpartition('@')[2]}{slash}{path}"


def _log_retry(failure: SegOpsApiError | SegOpsTransportError, delay: float) -> None:
    status = {"status": failure.status} if isinstance(failure, SegOpsApiError) else {}
    log(
        "debug",
        "segops.admin.retry",
        method=failure.method,
        path=failure.path,
        attempt=failure.attempts,
        delay=round(delay, 3),
        error=type(failure).__name__,
        **status,
    )


def _describe(method: str, path: str) -> str:
    return f"{method} {path.partition('?')[0]}"


def _capture(response: Response) -> None:
    captured = captured_responses.get()
    if captured is not None:
        captured.append(response)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
