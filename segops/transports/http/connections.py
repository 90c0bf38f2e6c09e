"""A pool of connections to one server, made by urllib3."""

from __future__ import annotations

import os
import ssl
from collections import deque
from functools import partial

from urllib3.connection import ProxyConfig
from urllib3.util import Url

from segops.transports.http.addresses import Address, Proxy
from segops.transports.http.sockets import Dial, PlainConnection, TimedTLSSocket, TLSConnection
from segops.transports.http.tls import make_context
from segops.utils import needs_modules

Connection = PlainConnection | TLSConnection


class ConnectionPool:
    """Keep idle connections; safe to use from any number of threads.

    It needs no lock, so a child that is forked at any moment gets a usable pool. The child never uses connections from
    before the fork, because it shares them with its parent.

    Args:
        server: The server that requests are for.
        proxy: The proxy to use, if any.
        ca_file: A PEM file with the certificate authorities to trust instead of the system's.
        size: The maximum number of idle connections.

    Raises:
        SegOpsConfigError: `ca_file` is unusable, or the proxy needs the extra `socks`, which is not installed.
    """

    def __init__(
        self, server: Address, proxy: Proxy | None, *, ca_file: str | os.PathLike[str] | None, size: int
    ) -> None:
        self._server = server
        self._proxy = proxy
        self._ca_file = ca_file
        self._size = size
        self._idle: deque[tuple[tuple[int, int], Connection]] = deque()
        self._closings = 0
        self._dial: Dial | None = None
        self._tls: ssl.SSLContext | None = None
        if proxy is not None and proxy.is_socks:
            with needs_modules(f"the proxy {proxy.address}", extra="socks"):
                from segops.transports.http.socks import dial_through  # noqa: PLC0415 - an extra

            self._dial = partial(dial_through, proxy)
        if ca_file is not None:
            _ = self._tls_context  # raises now if the file is unusable

    @property
    def generation(self) -> tuple[int, int]:
        """Changes with a fork and with `close`; connections of an earlier generation are not reused."""
        return os.getpid(), self._closings

    def take(self) -> Connection | None:
        """Return an idle connection that is still open, if there is one.

        A connection that is readable is not: the server has closed it, or has sent bytes that no request asked for.
        """
        while True:
            try:
                generation, connection = self._idle.pop()
            except IndexError:
                return None
            if generation == self.generation and connection.is_connected:
                return connection
            connection.close()

    def connect(self) -> Connection:
        """Return a new connection.

        Raises:
            OSError: Connecting failed.
        """
        connection = self._new()
        connection.dial = self._dial
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def put_back(self, connection: Connection, generation: tuple[int, int]) -> None:
        """Keep a connection whose response was read to its end.

        Args:
            connection: The connection, from `take` or `connect`.
            generation: `generation` as it was before the request.
        """
        if not connection.is_closed and generation == self.generation and len(self._idle) < self._size:
            self._idle.append((generation, connection))
        else:
            connection.close()

    def close(self) -> None:
        """Close idle connections now, and those in use after their request."""
        self._closings += 1
        self.take()  # closes them all, because they are of an earlier generation

    def _new(self) -> Connection:
        server, proxy = self._server, None if self._dial else self._proxy
        peer = server if proxy is None else proxy.address
        if "https" not in (server.scheme, peer.scheme):
            return PlainConnection(peer.host, peer.port)
        context = self._tls_context
        if proxy is None:
            return TLSConnection(peer.host, peer.port, ssl_context=context)
        connection = TLSConnection(
            peer.host,
            peer.port,
            ssl_context=context,
            proxy=Url(scheme=peer.scheme, host=peer.host, port=peer.port),
            proxy_config=ProxyConfig(
                context, use_forwarding_for_https=False, assert_hostname=None, assert_fingerprint=None
            ),
        )
        if server.scheme == "https":
            connection.set_tunnel(server.host, server.port, headers=proxy.headers, scheme=peer.scheme)
        return connection

    @property
    def _tls_context(self) -> ssl.SSLContext:
        """The TLS context, created on first use; without a lock, which a forked child could inherit locked."""
        if self._tls is None:
            self._tls = make_context(self._ca_file)
            self._tls.sslsocket_class = TimedTLSSocket
        return self._tls
