"""The default transport: HTTP/1.1 by urllib3, over connections that are kept for the next request.

urllib3's connections write requests and read responses; its pool is not used, because it rewrites paths ("%2e" becomes
"%2E"). This module adds what urllib3 lacks: one deadline for the whole exchange, a limit on the size of a response, one
fresh connection in place of a stale one, and safety across forks.
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
from segops.transports.http.addresses import find_proxy, parse_base
from segops.transports.http.connections import Connection, ConnectionPool
from segops.transports.http.sockets import exchange
from segops.transports.http.tls import describe

_FRAMING = frozenset({"content-length", "transfer-encoding"})
_PIECE = 65536
_PROXY_AUTHENTICATION_REQUIRED = 407
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
_MALFORMED: dict[type[Exception], str] = {
    BadStatusLine: "the response is not HTTP/1",
    IncompleteRead: "the response ended early",
    LineTooLong: "the response has a line that is too long",
}


class HttpTransport(Transport):
    """Sends requests to a SegOps server; for any number of threads.

    Redirects are not followed, nothing is retried (but for one fresh connection when the server has closed a kept one),
    and certificates are always checked. After a fork the child opens connections of its own.

    Args:
        url: The server, as "https://api.segops.ai" or with a path in front: "https://example.org/segops". An "/api" at
            its end is left out, because the paths of requests begin with it.
        proxy: A proxy as "http://user:password@host:3128", or "socks5h://host:1080" with the extra `socks`; "" for
            none. By default what the environment says (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`), except
            for servers on this machine.
        ca_file: A PEM file with the certificate authorities to trust in place of the system's; `~` is expanded.
        user_agent: The User-Agent header.
        max_response_bytes: How much of an answer's body is read, both before and after it is decompressed.
        pool_size: How many idle connections are kept.

    Raises:
        SegOpsConfigError: One of these is not usable.
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
            raise SegOpsConfigError("max_response_bytes must be at least 1, and pool_size at least 0")
        self._server, self._prefix = parse_base(url)
        self.url = f"{self._server}{self._prefix}"
        self._proxy = find_proxy(self._server, proxy)
        self._pool = ConnectionPool(self._server, self._proxy, ca_file=ca_file, size=pool_size)
        self._limit = max_response_bytes
        self._defaults = {"user-agent": user_agent, "accept-encoding": "identity"}
        if self._proxy is not None and not self._proxy.is_socks and self._server.scheme == "http":
            # A proxy that forwards is asked for the whole URL, and takes its credentials from each request.
            self._prefix = self.url
            self._defaults |= {name.lower(): value for name, value in self._proxy.headers.items()}

    def __repr__(self) -> str:
        """Show where it sends; neither credentials nor the proxy's."""
        return f"HttpTransport({self.url!r})"

    @property
    def proxy(self) -> str | None:
        """The proxy on the way, without its credentials; None if there is none."""
        return None if self._proxy is None else str(self._proxy.address)

    def send(self, request: Request, *, timeout: float) -> Response:
        """Send one request and return the answer, whatever its status.

        Raises:
            SegOpsTimeoutError: The answer was not complete after `timeout` seconds.
            SegOpsTransportError: No complete answer came: the cause says why.
            SegOpsConfigError: The request cannot be written as HTTP.
        """
        return self._perform(request, None, timeout, math.inf)

    def stream(self, request: Request, sink: BodySink, *, timeout: float, idle: float | None = None) -> Response:
        """Send one request and hand the body of the answer on as it comes, at most 64 KiB at a time.

        Raises:
            SegOpsTimeoutError: The answer was not complete after `timeout` seconds, or nothing came for `idle` seconds.
            SegOpsTransportError: No complete answer came: the cause says why.
            SegOpsConfigError: The request cannot be written as HTTP.
        """
        return self._perform(request, sink, timeout, math.inf if idle is None else idle)

    def _perform(self, request: Request, sink: BodySink | None, timeout: float, idle: float) -> Response:
        headers = self._headers(request)
        era = self._pool.era
        outer = exchange.start(timeout, idle)
        try:
            with self._translated_errors(request, min(timeout, idle)):
                connection, incoming = self._request(request, headers)
            is_read = False
            try:
                response = self._receive(request, incoming, sink, min(timeout, idle))
                is_read = incoming.closed
            finally:
                if not is_read:
                    connection.close()
                    incoming.close()
                self._pool.put_back(connection, era)
        finally:
            exchange.resume(outer)
        return response

    def close(self) -> None:
        """Close the connections, those in use after their request; a later `send` opens new ones."""
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
            is_ours = isinstance(error, OSError) and not _TUNNEL_REFUSED.match(str(error))
            # Other errors quote what the server or the proxy sent: a traceback must not show that.
            raise self._failure(request, error) from (error if is_ours else None)

    def _headers(self, request: Request) -> dict[str, str]:
        """Return the headers to send; urllib3 adds the host and the length of the body."""
        headers = self._defaults | {name.lower(): value for name, value in request.headers.items()}
        text = "".join([request.method, request.path, *headers, *headers.values()])
        if (
            not (text.isascii() and text.isprintable())
            or " " in request.method + request.path
            or not request.path.startswith("/")
        ):
            # The offending text is not shown: it may be the key.
            raise SegOpsConfigError(
                "the request's path must begin with / and be percent-encoded, and its headers must be ASCII without "
                "control characters"
            )
        return {name: value for name, value in headers.items() if name not in _FRAMING}

    def _request(self, request: Request, headers: dict[str, str]) -> tuple[Connection, HTTPResponse]:
        """Send a request and return the connection and the response, whose body is yet to be read."""
        connection = self._pool.take()
        if connection is not None:
            try:
                return connection, self._send(connection, request, headers)
            except (OSError, HTTPException):
                # The server may close a kept connection just as it is used again. Not one byte of a response means that
                # it has most likely not seen the request.
                if exchange.received:
                    raise
        connection = self._pool.connect()
        return connection, self._send(connection, request, headers)

    def _send(self, connection: Connection, request: Request, headers: dict[str, str]) -> HTTPResponse:
        try:
            return _exchange(connection, request, f"{self._prefix}{request.path}", headers)
        except BaseException:
            connection.close()
            raise

    def _receive(self, request: Request, incoming: HTTPResponse, sink: BodySink | None, timeout: float) -> Response:
        head = Response(incoming.status, {name.lower(): incoming.headers[name] for name in incoming.headers})
        if head.status == _PROXY_AUTHENTICATION_REQUIRED and self._proxy is not None:
            raise self._failure(request, OSError("407"))
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

    def _failure(self, request: Request, error: Exception) -> SegOpsTransportError:
        return SegOpsTransportError(f"{request.method} {request.path} failed: {self._reason(error)} ({self.url})")

    def _reason(self, error: Exception) -> str:
        """Say what went wrong and what to do about it, in no words of the server's or the proxy's."""
        if about_tls := describe(error):
            return about_tls
        text = _describe_exchange(error)
        if self._proxy is None:
            return text
        if "407" in text:
            return f"the proxy {self._proxy.address} requires credentials: use http://user:password@host as its URL"
        return f"{text} (through the proxy {self._proxy.address})"


def _describe_exchange(error: Exception) -> str:
    if isinstance(error, ProtocolError) and isinstance(error.args[-1], Exception):
        error = error.args[-1]  # what urllib3 wrapped
    if isinstance(error, OSError) and (refused := _TUNNEL_REFUSED.match(str(error))):
        return f"the proxy refused the connection with status {refused[1]}"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return _MALFORMED.get(type(error), f"the response is malformed ({type(error).__name__})")


def _exchange(connection: Connection, request: Request, target: str, headers: dict[str, str]) -> HTTPResponse:
    with suppress(BrokenPipeError, ConnectionResetError):  # a server may respond before it has read everything
        connection.request(request.method, target, body=request.body or None, headers=headers, preload_content=False)
    incoming = connection.getresponse()
    if exchange.has_ended:  # http.client takes that for the end of the headers
        incoming.close()
        raise RemoteDisconnected("the connection was closed in the middle of the headers")
    return incoming


def _read(incoming: HTTPResponse, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of the body, and whether there is more or it cannot be decompressed."""
    body = bytearray()
    try:
        while piece := incoming.read1(_PIECE):
            body += piece
            if len(body) > limit:
                return bytes(body[:limit]), True
    except DecodeError:  # the status still counts: to send again would repeat what was accepted
        return bytes(body), True
    return bytes(body), False
