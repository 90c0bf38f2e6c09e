"""Sockets with one deadline for a whole exchange.

A socket's own timeout restarts with every read, so a server that sends one byte at a time could block for hours. These
sockets set their timeout to the remaining time before every read and write. An exchange stays on one thread, so the
deadline is a thread-local. It therefore also reaches sockets that urllib3 and ssl create, such as the one inside a TLS
tunnel.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssltransport import SSLTransport

from segops.utils import monotonic, start_thread

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Endpoint = tuple[socket.AddressFamily, socket.SocketKind, int, str, _SocketAddress]
_Route = TypeVar("_Route")

_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]
if hasattr(socket, "TCP_KEEPIDLE"):
    # Routers drop an idle connection after minutes; by default the first probe follows after two hours.
    _OPTIONS.append((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60))


class Exchange(threading.local):
    """The exchange of the current thread.

    Attributes:
        received: The number of bytes received so far.
        has_ended: Whether the peer has closed the connection.
    """

    received = 0
    has_ended = False
    _deadline = 0.0
    _idle = math.inf

    @contextmanager
    def within(self, timeout: float, idle: float) -> Iterator[None]:
        """Run an exchange of at most `timeout` seconds, and at most `idle` seconds between two bytes.

        Exchanges may nest: a function that takes the body of one response may send another request.
        """
        outer = vars(self).copy()
        self._deadline = monotonic() + timeout
        self._idle = idle
        self.received = 0
        self.has_ended = False
        try:
            yield
        finally:
            vars(self).update(outer)

    def remaining(self) -> float:
        """Return the seconds that the next read or write may take.

        Raises:
            TimeoutError: The deadline has passed.
        """
        seconds = self._deadline - monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline of the exchange has passed")
        return min(seconds, self._idle)

    def record(self, count: int) -> None:
        """Record how many bytes were received; 0 at the end of the connection."""
        self.received += count
        self.has_ended = not count


exchange = Exchange()


class TimedSocket(socket.socket):
    """A TCP socket that keeps the deadline of the exchange."""

    def gettimeout(self) -> float:
        """Return the remaining time; ssl calls this before a handshake."""
        return exchange.remaining()

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive within the remaining time."""
        self.settimeout(exchange.remaining())
        data = super().recv(buflen, flags)
        exchange.record(len(data))
        return data

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive within the remaining time."""
        self.settimeout(exchange.remaining())
        count = super().recv_into(buffer, nbytes or memoryview(buffer).nbytes, flags)
        exchange.record(count)
        return count

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Send within the remaining time."""
        self.settimeout(exchange.remaining())
        return super().send(data, flags)

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send everything within the remaining time; ssl's own method restarts the timeout for each record."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(rest, flags) :]


class TimedTLSSocket(TimedSocket, ssl.SSLSocket):
    """A TLS socket that keeps the deadline of the exchange."""


Dial = Callable[[str, int], TimedSocket]
"""Connects to a host and a port."""


class _DeadlineConnection(HTTPConnection):
    """Connects with sockets that keep the deadline of the exchange.

    urllib3 has no public way to supply a socket, so this overrides a private method of it. A test in
    tests/transports/http/test_limits.py fails if urllib3 stops calling that method.

    Attributes:
        dial: Connects instead of this module's `dial`.
    """

    dial: Dial | None = None

    def _new_conn(self) -> socket.socket:
        return (self.dial or dial)(self.host, self.port)


class PlainConnection(_DeadlineConnection):
    """A connection without TLS that keeps the deadline of the exchange."""


class TLSConnection(_DeadlineConnection, HTTPSConnection):
    """A connection with TLS that keeps the deadline of the exchange."""

    @property
    def is_connected(self) -> bool:
        """Whether it is open and has nothing to read; select() does not see what TLS has buffered."""
        return super().is_connected and not _has_buffered(self.sock)


def _has_buffered(sock: socket.socket | SSLTransport) -> bool:
    if isinstance(sock, SSLTransport):  # a tunnel through a proxy with TLS
        return sock.sslobj.pending() > 0 or sock.incoming.pending > 0
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def dial(host: str, port: int) -> TimedSocket:
    """Connect to the first address of `host` that accepts; each gets an even share of the remaining time.

    Raises:
        OSError: None of them accepted.
    """
    return connect_to_first(resolve(host, port), _connect)


def connect_to_first(routes: Sequence[_Route], connect: Callable[[_Route, float], TimedSocket]) -> TimedSocket:
    """Connect by the first route that works; each gets an even share of the remaining time.

    Raises:
        Exception: None of them works; usually an OSError.
    """
    failure: Exception | None = None
    for tried, route in enumerate(routes):
        try:
            return connect(route, exchange.remaining() / (len(routes) - tried))
        except Exception as error:  # noqa: BLE001 - audit hooks and patched sockets raise others
            failure = error
    raise failure or OSError("the host name has no address")


def _connect(endpoint: Endpoint, timeout: float) -> TimedSocket:
    family, type_, protocol, _, address = endpoint
    sock = TimedSocket(family, type_, protocol)  # fails without IPv6 in the kernel, or in a sandbox
    try:
        for option in _OPTIONS:
            with suppress(OSError):  # optional
                sock.setsockopt(*option)
        sock.settimeout(timeout)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def resolve(host: str, port: int) -> Sequence[Endpoint]:
    """Return the addresses of `host`.

    The system's resolver has no timeout, so it runs on its own thread, which may outlive the exchange.

    Raises:
        OSError: There are none, or the resolver did not return in time.
    """
    name = host.encode("ascii")  # for a str, Python would import the codec for international names: 1 ms
    try:
        return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:  # a host name
        pass
    results: SimpleQueue[Sequence[Endpoint] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            results.put(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except OSError as error:
            results.put(error)

    try:
        start_thread(threading.Thread(target=look_up, name="segops-resolver", daemon=True))
    except RuntimeError:  # the interpreter is exiting, or the platform has no threads
        look_up()
    try:
        result = results.get(timeout=exchange.remaining())
    except Empty:
        raise TimeoutError(f"looking up {host} timed out") from None
    if isinstance(result, OSError):
        raise result
    return result
