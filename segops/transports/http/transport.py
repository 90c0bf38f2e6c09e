"""The default transport: HTTP/1.1 over connections that urllib3 opens and that are kept for the next request.

urllib3 connects, tunnels through proxies and checks certificates. Requests are written and answers read on its sockets
directly: its own request and response objects rewrite paths ("%2e" becomes "%2E"), know no deadline for the whole
exchange, and cost 70 µs of CPU per request, more than encoding the events in it.
"""

from __future__ import annotations

import math
import os
import re
import ssl
from collections import deque
from contextlib import suppress
from functools import cached_property
from http.client import HTTPException

from urllib3.connection import ProxyConfig
from urllib3.exceptions import HTTPError
from urllib3.util import Url

from segops import __version__
from segops.core import (
    Accept,
    Request,
    Response,
    SegOpsConfigError,
    SegOpsTimeoutError,
    SegOpsTransportError,
    Transport,
)
from segops.transports.http.addresses import find_proxy, parse_base
from segops.transports.http.answers import Answer, Stopped, read_answer
from segops.transports.http.sockets import PlainConnection, TimedTLSSocket, TLSConnection, exchange

_Connection = PlainConnection | TLSConnection

_SPACES_IN_REQUEST_LINE = 2
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_JOIN_BELOW = 65536
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: \d+")
_PROXY_AUTHENTICATION_REQUIRED = 407


class HttpTransport(Transport):
    """Sends requests to a SegOps server; for any number of threads.

    Redirects are not followed, nothing is retried (but for one fresh connection when the server has closed a kept one),
    and certificates are always checked. After a fork the child opens connections of its own.

    Args:
        url: The server, as "https://api.segops.ai" or with a path in front: "https://example.org/segops". An "/api" at
            its end is left out, because the paths of requests begin with it.
        proxy: A proxy as "http://user:password@host:3128"; "" for none. By default what the environment says
            (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`), except for servers on this machine.
        ca_file: A PEM file with the certificate authorities to trust in place of the system's.
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
        self._ca_file = ca_file
        self._limit = max_response_bytes
        self._pool_size = pool_size
        self._idle: deque[tuple[int, _Connection]] = deque()
        self._closings = 0
        self._defaults = {"host": self._server.authority, "user-agent": user_agent, "accept-encoding": "identity"}
        if self._proxy is not None and self._server.scheme == "http":
            # A proxy that forwards is asked for the whole URL, and takes its credentials from each request.
            self._prefix = self.url
            self._defaults |= {name.lower(): value for name, value in self._proxy.headers.items()}
        if ca_file is not None:
            _ = self._tls_context  # an unusable file is an error of construction

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

    def stream(self, request: Request, accept: Accept, *, timeout: float, idle: float | None = None) -> Response:
        """Send one request and hand the body of the answer on as it comes, at most 64 KiB at a time.

        Raises:
            SegOpsTimeoutError: The answer was not complete after `timeout` seconds, or nothing came for `idle` seconds.
            SegOpsTransportError: No complete answer came: the cause says why.
            SegOpsConfigError: The request cannot be written as HTTP.
        """
        return self._perform(request, accept, timeout, math.inf if idle is None else idle)

    def _perform(self, request: Request, accept: Accept | None, timeout: float, idle: float) -> Response:
        head = self._head(request)
        outer = exchange.start(timeout, idle)
        try:
            response = self._exchange(request, head, accept)
        except Stopped as stopped:
            raise stopped.error from stopped.error.__cause__
        except TimeoutError as error:
            raise SegOpsTimeoutError(
                f"{self.url} did not answer {request!r} within {min(timeout, idle):g} s"
            ) from error
        except (OSError, HTTPException, HTTPError) as error:
            cause = None if _REFUSED_TUNNEL.match(str(error)) else error  # which has the words of the proxy
            raise SegOpsTransportError(f"{self.url} did not answer {request!r}: {self._reason(error)}") from cause
        finally:
            exchange.resume(outer)
        if response.status == _PROXY_AUTHENTICATION_REQUIRED and self._proxy is not None:
            raise SegOpsTransportError(f"{self.url} was not reached: {self._reason(OSError('407'))}")
        return response

    def close(self) -> None:
        """Close the connections, those in use after their request; a later `send` opens new ones."""
        self._closings += 1
        while (connection := self._take()) is not None:
            connection.close()

    def _head(self, request: Request) -> bytes:
        """Return the request line and the headers, up to and with the empty line."""
        headers = self._defaults | {name.lower(): value for name, value in request.headers.items()}
        if request.body or request.method not in _BODILESS:
            headers["content-length"] = str(len(request.body))
        line = f"{request.method} {self._prefix}{request.path} HTTP/1.1"
        lines = [line, *[f"{name}: {value}" for name, value in headers.items()]]
        text = "".join(lines)
        if (
            not (text.isascii() and text.isprintable())
            or line.count(" ") != _SPACES_IN_REQUEST_LINE
            or not request.path.startswith("/")
        ):
            # The offending text is not shown: it may be the key.
            raise SegOpsConfigError(
                "the request's path must begin with / and be percent-encoded, and its headers must be ASCII without "
                "control characters"
            )
        return "\r\n".join([*lines, "\r\n"]).encode()

    def _exchange(self, request: Request, head: bytes, accept: Accept | None) -> Response:
        connection = self._take()
        if connection is not None:
            try:
                return self._converse(connection, request, head, accept)
            except (OSError, HTTPException):
                # The server may close a kept connection just as it is used again. Not one byte of an answer means
                # that it has most likely not seen the request.
                if exchange.received:
                    raise
        return self._converse(self._connect(), request, head, accept)

    def _converse(self, connection: _Connection, request: Request, head: bytes, accept: Accept | None) -> Response:
        keep = False
        pid, closings = os.getpid(), self._closings
        try:
            _send(connection, head, request.body)
            answer = Answer(connection.sock, request.method)
            response = read_answer(answer, self._limit, accept)
            keep = answer.is_reusable
        finally:
            if keep and closings == self._closings and len(self._idle) < self._pool_size:
                self._idle.append((pid, connection))
            else:
                connection.close()
        return response

    def _take(self) -> _Connection | None:
        """Return an idle connection that still stands, if there is one.

        The pool is a deque without a lock: a fork in the middle of anything leaves the child with a usable one.
        """
        while True:
            try:
                pid, connection = self._idle.pop()
            except IndexError:
                return None
            # One made before a fork is shared with the parent: closing the child's descriptor leaves that unharmed. One
            # that can be read from has been closed, or holds bytes that nobody asked for.
            if pid == os.getpid() and connection.is_connected:
                return connection
            connection.close()

    def _connect(self) -> _Connection:
        connection = self._new_connection()
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def _new_connection(self) -> _Connection:
        server, proxy = self._server, self._proxy
        peer = server if proxy is None else proxy.address
        if "https" not in (server.scheme, peer.scheme):
            return PlainConnection(peer.host, peer.port)
        if proxy is None:
            return TLSConnection(peer.host, peer.port, ssl_context=self._tls_context)
        connection = TLSConnection(
            peer.host,
            peer.port,
            ssl_context=self._tls_context,
            proxy=Url(scheme=peer.scheme, host=peer.host, port=peer.port),
            proxy_config=ProxyConfig(
                self._tls_context, use_forwarding_for_https=False, assert_hostname=None, assert_fingerprint=None
            ),
        )
        if server.scheme == "https":
            connection.set_tunnel(server.host, server.port, headers=proxy.headers, scheme=peer.scheme)
        return connection

    @cached_property
    def _tls_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            raise SegOpsConfigError(
                f"ca_file {self._ca_file!s} cannot be used ({error.strerror or error}): pass a readable PEM file"
            ) from error
        context.sslsocket_class = TimedTLSSocket
        return context

    def _reason(self, error: Exception) -> str:
        """Say what went wrong, and what can be done about it."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate was refused ({error.verify_message}); for an authority of your own pass ca_file"
        text = str(error) or type(error).__name__
        if refused := _REFUSED_TUNNEL.match(text):  # without the words of the proxy
            text = refused[0]
        if self._proxy is not None and "407" in text:
            return (
                f"the proxy {self._proxy.address} wants credentials: put them into its URL, http://user:password@host"
            )
        return text if self._proxy is None else f"{text} (through the proxy {self._proxy.address})"


def _send(connection: _Connection, head: bytes, body: bytes) -> None:
    """Send a request; a server may stop reading it, and still have answered."""
    with suppress(BrokenPipeError, ConnectionResetError):
        if len(body) < _JOIN_BELOW:
            connection.sock.sendall(head + body)  # one packet rather than two
        else:
            connection.sock.sendall(head)
            connection.sock.sendall(body)
