"""The server's side of a connection: read requests, send bytes, close properly or not."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from typing import NamedTuple

_END_OF_HEAD = b"\r\n\r\n"


class Received(NamedTuple):
    """A request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Peer:
    """A connection to one client.

    Attributes:
        sock: Its socket, plain or TLS.
        open: Whether it was neither closed nor reset from this side.
    """

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.open = True
        self._number = number
        self._buffer = b""

    def has_more(self) -> bool:
        """Wait for the next bytes of the client; False if it has gone."""
        if not self._buffer and not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            select.select([self.sock], [], [])
            if not isinstance(self.sock, ssl.SSLSocket):
                return bool(self.sock.recv(1, socket.MSG_PEEK))
            self._buffer = self.sock.recv(65536)
        return bool(self._buffer)

    def read_request(self) -> Received:
        """Read one request.

        Raises:
            OSError: The client went away before its end.
        """
        while _END_OF_HEAD not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(_END_OF_HEAD)
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        length = int(headers.get("content-length", 0))
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Received(method, target, headers, body, self._number)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.sock.sendall(data)

    def wait_until_gone(self, stopping: threading.Event) -> None:
        """Read nothing more until the client or the test is done."""
        while not stopping.wait(0.01):
            ready, _, _ = select.select([self.sock], [], [], 0)
            if ready and self.sock.fileno() >= 0 and _has_hung_up(self.sock):
                break
        self.close()

    def close(self) -> None:
        """Close in good order."""
        if self.open:
            self.open = False
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
            self.sock.close()

    def reset(self) -> None:
        """Close with a reset (RST)."""
        self.open = False
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError("the client went away in the middle of a request")
        self._buffer += data


def _has_hung_up(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))
