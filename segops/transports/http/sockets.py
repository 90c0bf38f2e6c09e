"""Sockets that keep one deadline for a whole exchange.

A socket's own timeout starts anew with each read, so a server that drips its answer is waited for without end
(fault-matrix.md, row 8). These set it to what is left before every read and write. An exchange runs on one thread from
its beginning to its end, so its deadline belongs to the thread; that way it also reaches the sockets that urllib3 and
ssl create on their own, such as the one inside a TLS tunnel.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssltransport import SSLTransport

from segops.utils import monotonic, start_thread

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Endpoint = tuple[socket.AddressFamily, socket.SocketKind, int, str, _SocketAddress]
_Way = TypeVar("_Way")

_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]
if hasattr(socket, "TCP_KEEPIDLE"):
    # Routers forget a silent connection after a few minutes; the system's own first probe comes after two hours.
    _OPTIONS.append((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60))


class Exchange(threading.local):
    """The exchange that this thread is in.

    Attributes:
        received: Bytes that were received since `start`.
        has_ended: Whether the peer has closed the connection.
    """

    received = 0
    has_ended = False
    _deadline = 0.0
    _idle = math.inf

    def start(self, timeout: float, idle: float = math.inf) -> dict[str, float]:
        """Begin an exchange that may take `timeout` seconds, of which at most `idle` in a row without a byte.

        Returns:
            What `resume` needs to go on with the exchange that this one interrupts, if there is one.
        """
        outer = vars(self).copy()
        self._deadline = monotonic() + timeout
        self._idle = idle
        self.received = 0
        self.has_ended = False
        return outer

    def resume(self, outer: dict[str, float]) -> None:
        """Go on with an exchange whose body is taken by a function that made a request itself."""
        vars(self).update(outer)

    def left(self) -> float:
        """Return the seconds that may be waited for the next bytes.

        Raises:
            TimeoutError: None are.
        """
        seconds = self._deadline - monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline of the exchange has passed")
        return min(seconds, self._idle)

    def note(self, count: int) -> None:
        """Note that so many bytes were received; none at the end of the connection."""
        self.received += count
        self.has_ended = not count


exchange = Exchange()


class TimedSocket(socket.socket):
    """A TCP socket that keeps the deadline of the exchange."""

    def gettimeout(self) -> float:
        """Return what is left; ssl asks for it before a handshake."""
        return exchange.left()

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive within what is left."""
        self.settimeout(exchange.left())
        data = super().recv(buflen, flags)
        exchange.note(len(data))
        return data

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive within what is left."""
        self.settimeout(exchange.left())
        count = super().recv_into(buffer, nbytes or memoryview(buffer).nbytes, flags)
        exchange.note(count)
        return count

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Send within what is left."""
        self.settimeout(exchange.left())
        return super().send(data, flags)

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send all within what is left; that of ssl would start the timeout anew for each record."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(rest, flags) :]


class TimedTLSSocket(TimedSocket, ssl.SSLSocket):
    """A TLS socket that keeps the deadline of the exchange."""


Dial = Callable[[str, int], TimedSocket]
"""Connects to a host and a port."""


class _DeadlineConnection(HTTPConnection):
    """Connects with sockets that keep the deadline of the exchange.

    urllib3 has no public way to bring your own socket; tests/transports/http/test_limits.py notices if this changes.

    Attributes:
        dial: Connects, in place of the function of this module.
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
        """Whether it still stands and has nothing to be read; what TLS has taken in already, select() cannot see."""
        return super().is_connected and not _is_holding(self.sock)


def _is_holding(sock: socket.socket | SSLTransport) -> bool:
    if isinstance(sock, SSLTransport):  # a tunnel through a proxy with TLS
        return sock.sslobj.pending() > 0 or sock.incoming.pending > 0
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def dial(host: str, port: int) -> TimedSocket:
    """Connect to the first address of `host` that answers; each gets an even share of the time that is left.

    Raises:
        OSError: None of them answered.
    """
    return first_that_connects(resolve(host, port), _connect)


def first_that_connects(ways: Sequence[_Way], connect: Callable[[_Way, float], TimedSocket]) -> TimedSocket:
    """Connect in the first way that works; each gets an even share of the time that is left.

    Raises:
        OSError: None works.
    """
    failure: OSError | None = None
    for tried, way in enumerate(ways):
        try:
            return connect(way, exchange.left() / (len(ways) - tried))
        except OSError as error:
            failure = error
    raise failure or OSError("there is no address to connect to")


def _connect(endpoint: Endpoint, timeout: float) -> TimedSocket:
    family, kind, protocol, _, address = endpoint
    sock = TimedSocket(family, kind, protocol)  # may be refused: a kernel without IPv6, a sandbox
    try:
        for option in _OPTIONS:
            with suppress(OSError):  # nothing depends on them
                sock.setsockopt(*option)
        sock.settimeout(timeout)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def resolve(host: str, port: int) -> Sequence[Endpoint]:
    """Return the addresses of `host`.

    The system's resolver knows no timeout, so it is asked on a thread of its own, which may be left behind.

    Raises:
        OSError: There are none, or the resolver does not answer in time.
    """
    name = host.encode("ascii")  # of text, the codec for international names would be loaded: a millisecond
    try:
        return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:  # a name
        pass
    found: SimpleQueue[Sequence[Endpoint] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.put(error)

    try:
        start_thread(threading.Thread(target=look_up, name="segops-resolver", daemon=True))
    except RuntimeError:  # the interpreter is exiting, or this platform has no threads
        look_up()
    try:
        answer = found.get(timeout=exchange.left())
    except Empty:
        raise TimeoutError(f"the address of {host} was not found in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
