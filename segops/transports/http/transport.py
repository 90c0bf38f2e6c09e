"""The default transport: HTTP/1.1 with urllib3, over pooled connections.

urllib3's connections write requests and read responses. This module adds what urllib3 lacks: one deadline for the whole
exchange, a limit on the size of a response, one retry when a pooled connection turns out to be closed, and fork safety.
It does not use urllib3's pool, which rewrites paths ("%2e" becomes "%2E").
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import BadStatusLine, HTTPException, IncompleteRead, LineTooLong, RemoteDisconnected

from urllib3.exceptions import DecodeError, HTTPError, ProtocolError
from urllib3.exceptions import TimeoutError as ReadTimeout
from urllib3.response import HTTPResponse

from segops import __version__
from segops.core import (
    BodySink,
    Request,
    Response,
    SegOpsConfigError,
    SegOpsTimeoutError,
    SegOpsTransportError,
    Transport,
)
from segops.guard import check_request
from segops.transports.http.addresses import find_proxy, parse_base
from segops.transports.http.connections import Connection, ConnectionPool
from segops.transports.http.sockets import exchange
from segops.transports.http.tls import describe

_FRAMING = frozenset({"content-length", "transfer-encoding"})
_PIECE = 65536
_PROXY_AUTHENTICATION_REQUIRED = 407
_TUNNEL_STATUS = re.compile(r"Tunnel connection failed: (\d{3})")
_MALFORMED: dict[type[Exception], str] = {
    BadStatusLine: "the response is not HTTP/1",
    IncompleteRead: "the response ended early",
    LineTooLong: "the response has a line that is too long",
}


class HttpTransport(Transport):
    """Send requests to a SegOps server; safe to use from any number of threads.

    It follows no redirects, always verifies certificates, and retries nothing, except once on a new connection when the
    server has closed a pooled one. After a fork the child opens its own connections.

    Args:
        url: The server, as "https://api.segops.ai", optionally with a path: "https://example.org/segops". A trailing
            "/api" is removed, because the paths of requests begin with it.
        proxy: A proxy, as "http://user:password@host:3128" or, with the extra `socks`, "socks5h://host:1080"; "" for
            none. Default: the proxy of the environment (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`), except
            for servers on this machine.
        ca_file: A PEM file with the certificate authorities to trust instead of the system's; `~` is expanded.
        user_agent: The User-Agent header.
        max_response_bytes: The limit on the body of a response, both before and after decompression.
        pool_size: The maximum number of idle connections.

    Raises:
        SegOpsConfigError: One of the arguments is invalid.
    """

    def __init__(
        self,
        url: str,
        *,
        proxy: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        user_agent: str = f"segops-sdk-python/{__version__}",
        max_response_bytes: int = 1024 * 1024,
        pool_size: int = 4,
    ) -> None:
        if max_response_bytes < 1 or pool_size < 0:
            raise SegOpsConfigError(
                "max_response_bytes must be at least 1 and pool_size at least 0, "
                f"got {max_response_bytes} and {pool_size}"
            )
        self._server, self._prefix = parse_base(url)
        self.url = f"{self._server}{self._prefix}"
        self._proxy = find_proxy(self._server, proxy)
        self._pool = ConnectionPool(self._server, self._proxy, ca_file=ca_file, size=pool_size)
        self._limit = max_response_bytes
        self._defaults = {"user-agent": user_agent, "accept-encoding": "identity"}
        if self._proxy is not None and not self._proxy.is_socks and self._server.scheme == "http":
            # A forwarding proxy expects the full URL, and its credentials with each request.
            self._prefix = self.url
            self._defaults |= {name.lower(): value for name, value in self._proxy.headers.items()}

    def __repr__(self) -> str:
        """Show the URL, but neither credentials nor the proxy's."""
        return f"HttpTransport({self.url!r})"

    @property
    def proxy(self) -> str | None:
        """The proxy in use, without its credentials; None if there is none."""
        return None if self._proxy is None else str(self._proxy.address)

    def send(self, request: Request, *, timeout: float) -> Response:
        """Send one request and return the response, whatever its status.

        Raises:
            SegOpsTimeoutError: The response was not complete after `timeout` seconds.
            SegOpsTransportError: The response was not complete; the message and the cause say why.
            SegOpsConfigError: The request is not valid HTTP.
        """
        return self._perform(request, None, timeout, math.inf)

    def stream(self, request: Request, sink: BodySink, *, timeout: float, idle: float | None = None) -> Response:
        """Send one request and pass on the body of the response as it arrives, in pieces of at most 64 KiB.

        Raises:
            SegOpsTimeoutError: The response was not complete after `timeout` seconds, or no byte came for `idle`
                seconds.
            SegOpsTransportError: The response was not complete; the message and the cause say why.
            SegOpsConfigError: The request is not valid HTTP.
        """
        return self._perform(request, sink, timeout, math.inf if idle is None else idle)

    def _perform(self, request: Request, sink: BodySink | None, timeout: float, idle: float) -> Response:
        check_request(self.url)
        headers = self._headers(request)
        generation = self._pool.generation
        with exchange.within(timeout, idle):
            with self._translated_errors(request, min(timeout, idle)):
                connection, incoming = self._request(request, headers)
            is_complete = False
            try:
                response = self._receive(request, incoming, sink, min(timeout, idle))
                is_complete = incoming.closed
            finally:
                if not is_complete:
                    connection.close()
                    incoming.close()
                self._pool.put_back(connection, generation)
        return response

    def close(self) -> None:
        """Close idle connections now, and those in use after their request; a later `send` opens new ones."""
        self._pool.close()

    @contextmanager
    def _translated_errors(self, request: Request, timeout: float) -> Iterator[None]:
        try:
            yield
        except (TimeoutError, ReadTimeout) as error:
            raise SegOpsTimeoutError(
                f"{request.method} {request.path} timed out after {timeout:g} s ({self.url})"
            ) from error
        except (OSError, HTTPException, HTTPError) as error:
            # Other errors quote what the server or the proxy sent, which must not appear in a traceback.
            is_local = isinstance(error, OSError) and not _TUNNEL_STATUS.match(str(error))
            raise self._failure(request, self._explain(error)) from (error if is_local else None)

    def _headers(self, request: Request) -> dict[str, str]:
        """Return the headers to send; urllib3 adds the host and the length of the body."""
        headers = self._defaults | {name.lower(): value for name, value in request.headers.items()}
        text = "".join([request.method, request.path, *headers, *headers.values()])
        if (
            not (text.isascii() and text.isprintable())
            or " " in request.method + request.path
            or not request.path.startswith("/")
        ):
            # The message does not show the offending text, which may be the key.
            raise SegOpsConfigError(
                "the path of a request must begin with / and be percent-encoded, and its headers must be ASCII without "
                "control characters"
            )
        return {name: value for name, value in headers.items() if name not in _FRAMING}

    def _request(self, request: Request, headers: dict[str, str]) -> tuple[Connection, HTTPResponse]:
        """Send a request; return the connection and the response, whose body is still unread."""
        connection = self._pool.take()
        if connection is not None:
            try:
                return connection, self._send(connection, request, headers)
            except (OSError, HTTPException):
                # The server may close a pooled connection just as it is reused. If not one byte of a response came, it
                # has most likely not seen the request.
                if exchange.received:
                    raise
        connection = self._pool.connect()
        return connection, self._send(connection, request, headers)

    def _send(self, connection: Connection, request: Request, headers: dict[str, str]) -> HTTPResponse:
        target = f"{self._prefix}{request.path}"
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # a server may respond before it has read everything
                connection.request(
                    request.method, target, body=request.body or None, headers=headers, preload_content=False
                )
            incoming = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        if exchange.has_ended:  # http.client mistakes that for the end of the headers
            incoming.close()
            connection.close()
            raise RemoteDisconnected("the connection was closed in the middle of the headers")
        return incoming

    def _receive(self, request: Request, incoming: HTTPResponse, sink: BodySink | None, timeout: float) -> Response:
        head = Response(incoming.status, {name.lower(): incoming.headers[name] for name in incoming.headers})
        if head.status == _PROXY_AUTHENTICATION_REQUIRED and self._proxy is not None:
            raise self._failure(request, self._missing_credentials())
        write = None if sink is None else sink(head)
        if write is None:
            with self._translated_errors(request, timeout):
                body, truncated = _read(incoming, self._limit)
            return Response(head.status, head.headers, body, truncated)
        while True:
            with self._translated_errors(request, timeout):
                piece = incoming.read1(_PIECE)
            if not piece:
                return head
            write(piece)

    def _failure(self, request: Request, reason: str) -> SegOpsTransportError:
        return SegOpsTransportError(f"{request.method} {request.path} failed: {reason} ({self.url})")

    def _explain(self, error: Exception) -> str:
        """Say what went wrong and what to do, without text from the server or the proxy."""
        if tls_problem := describe(error):
            return tls_problem
        if tunnel := _TUNNEL_STATUS.match(str(error)):
            if int(tunnel[1]) == _PROXY_AUTHENTICATION_REQUIRED:
                return self._missing_credentials()
            reason = f"the proxy refused the connection with status {tunnel[1]}"
        else:
            reason = _reason(error)
        return reason if self._proxy is None else f"{reason} (through the proxy {self._proxy.address})"

    def _missing_credentials(self) -> str:
        return f"the proxy {self.proxy} requires credentials: use http://user:password@host as its URL"


def _reason(error: Exception) -> str:
    if isinstance(error, ProtocolError) and isinstance(error.args[-1], Exception):
        error = error.args[-1]  # what urllib3 wrapped
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return _MALFORMED.get(type(error), f"the response is malformed ({type(error).__name__})")


def _read(incoming: HTTPResponse, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of the body, and whether the rest is missing or cannot be decompressed."""
    body = bytearray()
    try:
        while piece := incoming.read1(_PIECE):
            body += piece
            if len(body) > limit:
                return bytes(body[:limit]), True
    except DecodeError:  # the status still counts: a retry would repeat what the server accepted
        return bytes(body), True
    return bytes(body), False
