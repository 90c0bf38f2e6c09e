"""Connections to one server, made by urllib3 and kept for the next request."""

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
    """Keeps idle connections; for any number of threads.

    It has no lock, so that a fork in the middle of anything leaves the child with a usable pool. A connection that was
    made before a fork is shared with the parent and never used by the child.

    Args:
        server: The server that requests are for.
        proxy: The proxy on the way, if there is one.
        ca_file: A PEM file with the certificate authorities to trust in place of the system's.
        size: How many idle connections are kept.

    Raises:
        SegOpsConfigError: `ca_file` cannot be used, or the proxy speaks SOCKS and the extra for it is not installed.
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
            _ = self._tls_context  # an unusable file is an error of construction

    @property
    def era(self) -> tuple[int, int]:
        """Changes with a fork and with `close`: connections of an earlier era are not used again."""
        return os.getpid(), self._closings

    def take(self) -> Connection | None:
        """Return an idle connection that is still open, if there is one.

        A connection that can be read from has been closed by the server, or holds bytes that nobody asked for.
        """
        while True:
            try:
                era, connection = self._idle.pop()
            except IndexError:
                return None
            if era == self.era and connection.is_connected:
                return connection
            connection.close()

    def connect(self) -> Connection:
        """Return a new connection.

        Raises:
            OSError: It cannot be made.
        """
        connection = self._new()
        connection.dial = self._dial
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def put_back(self, connection: Connection, era: tuple[int, int]) -> None:
        """Keep a connection whose response was read to its end.

        Args:
            connection: What `take` or `connect` returned.
            era: `era` as it was before the request.
        """
        if not connection.is_closed and era == self.era and len(self._idle) < self._size:
            self._idle.append((era, connection))
        else:
            connection.close()

    def close(self) -> None:
        """Close idle connections now, and those in use after their request."""
        self._closings += 1
        self.take()  # all of them are of an earlier era

    def _new(self) -> Connection:
        server, proxy = self._server, None if self._dial else self._proxy
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

    @property
    def _tls_context(self) -> ssl.SSLContext:
        """The TLS settings, loaded on first use; not under a lock, which a forked child could inherit held."""
        if self._tls is None:
            self._tls = make_context(self._ca_file)
            self._tls.sslsocket_class = TimedTLSSocket
        return self._tls
