"""A server that produces the faults of the reliability table, and records the requests that it receives.

    with FaultServer(stall(), reset(), respond(503)) as server:
        ...                     # stalls the first request, resets the second, responds to the third with 503,
    server.journal              # and to every later one with 202; the journal is the oracle, not the client

Each request uses up one fault, in order, over all connections.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from tests.rig.wire import Peer, Received

if TYPE_CHECKING:
    from typing_extensions import Self

Fault = Callable[["Call"], None]
"""Handles one request: reads it or not, responds to it or not."""

QUEUED = b'{"queued": true}'


class FaultServer:
    """Listen on 127.0.0.1, by default on a free port, while its `with` block runs.

    Args:
        *faults: What happens to the first requests.
        default: What happens to every request after those. Default: a response with 202.
        tls: The TLS settings; None for plain HTTP.
        port: The port; 0 for a free one.

    Attributes:
        journal: The requests that were read in full, in order.
        connections: How many connections were accepted.
        port: Where it listens.
    """

    def __init__(
        self, *faults: Fault, default: Fault | None = None, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.journal: list[Received] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._faults = deque(faults)
        self._default = default or respond()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._sockets: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def add(self, *faults: Fault) -> None:
        """Add faults after those that are still scripted."""
        self._faults += faults

    def next_fault(self) -> Fault:
        """Return what happens to the next request."""
        return self._faults.popleft() if self._faults else self._default

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a thread of the fault server hangs"
        self._listener.close()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), contextlib.closing(sock):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(self._tls.wrap_socket(sock, server_side=True) if self._tls else sock, number)
            self._sockets.add(peer.sock)
            with contextlib.closing(peer):
                while peer.open and peer.has_more() and not self.stopping.is_set():
                    self.next_fault()(Call(self, peer))
        self._sockets.discard(sock)


class Call(NamedTuple):
    """One request, still unread."""

    server: FaultServer
    peer: Peer

    def read(self) -> Received:
        """Read the request, and add it to the journal."""
        received = self.peer.read_request()
        self.server.journal.append(received)
        return received

    def drip(self, data: bytes, interval: float) -> None:
        """Send byte by byte until the server stops."""
        for index in range(len(data)):
            if self.server.stopping.wait(interval):
                return
            self.peer.send(data[index : index + 1])


def raw(status: int = 202, body: bytes = QUEUED, headers: dict[str, str] | None = None) -> bytes:
    """Return the bytes of a response; a header can override the content length."""
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} Scripted", *[f"{name}: {value}" for name, value in fields.items()], "", ""]
    return "\r\n".join(lines).encode() + body


def respond(
    status: int = 202, body: bytes = QUEUED, headers: dict[str, str] | None = None, *, close: bool = False
) -> Fault:
    """Respond; with `close`, close the connection afterwards without announcing it (a stale keep-alive)."""

    def fault(call: Call) -> None:
        call.read()
        call.peer.send(raw(status, body, headers))
        if close:
            call.peer.close()

    return fault


def redirect(location: str, status: int = 307) -> Fault:
    """Redirect the client."""
    return respond(status, b"", {"Location": location})


def stall() -> Fault:
    """Never read the request, never respond."""
    return lambda call: call.peer.wait_until_gone(call.server.stopping)


def hold() -> Fault:
    """Read the request, never respond."""

    def fault(call: Call) -> None:
        call.read()
        call.peer.wait_until_gone(call.server.stopping)

    return fault


def hang_up(*, read: bool = True) -> Fault:
    """Close the connection cleanly, without a response."""

    def fault(call: Call) -> None:
        if read:
            call.read()
        call.peer.close()

    return fault


def reset(*, read: bool = True) -> Fault:
    """Reset the connection (RST), before or after the request was read."""

    def fault(call: Call) -> None:
        if read:
            call.read()
        call.peer.reset()

    return fault


def cut(after: int, data: bytes | None = None) -> Fault:
    """Close the connection after the first bytes of a response."""

    def fault(call: Call) -> None:
        call.read()
        call.peer.send((data or raw())[:after])
        call.peer.close()

    return fault


def drip(*, headers: bool = False, interval: float = 0.02) -> Fault:
    """Send the headers, or only the body, one byte at a time; it would take minutes."""
    whole = raw(body=b" " * 20_000)
    quick = 0 if headers else whole.index(b"\r\n\r\n") + 4

    def fault(call: Call) -> None:
        call.read()
        call.peer.send(whole[:quick])
        call.drip(whole[quick:], interval)

    return fault


def drip_request_away(interval: float = 0.02) -> Fault:
    """Receive the request a few bytes at a time, so that the client stalls while it sends."""

    def fault(call: Call) -> None:
        call.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not call.server.stopping.wait(interval) and call.peer.sock.recv(512):
            pass

    return fault


def endless(start: bytes, chunk: bytes) -> Fault:
    """Send `start`, then `chunk` repeatedly for as long as the client accepts it."""

    def fault(call: Call) -> None:
        call.read()
        call.peer.send(start)
        while not call.server.stopping.is_set():
            call.peer.send(chunk)

    return fault


def endless_body() -> Fault:
    """Send an endless chunked body."""
    start = b"HTTP/1.1 202 Scripted\r\nTransfer-Encoding: chunked\r\n\r\n"
    return endless(start, b"4000\r\n" + b"x" * 0x4000 + b"\r\n")


def endless_headers() -> Fault:
    """Send endless headers."""
    return endless(b"HTTP/1.1 202 Scripted\r\n", b"X-More: " + b"y" * 1000 + b"\r\n")
