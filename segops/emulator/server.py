"""Serve a local SegOps over HTTP/1.1 with the standard library."""

from __future__ import annotations

import http.server
import logging
import socket
import socketserver
import struct
import sys
import threading
from contextlib import suppress
from http import HTTPStatus
from http.client import responses
from typing import Any, cast

from segops.core import Request, Response, SegOpsConfigError
from segops.emulator.responses import MAX_BODY, HTTPError, too_large
from segops.emulator.service import LocalSegOps
from segops.utils import runs, start_thread

_log = logging.getLogger("segops.emulator")

_POLL_SECONDS = 0.02
_IDLE_SECONDS = 60.0
_CLOSE_SECONDS = 2.0
_CHUNK = 65_536
_LENGTH_DIGITS = 19


class LocalServer:
    """Serves a local SegOps over HTTP, with a thread for the server and one for each connection.

    Args:
        local: The local SegOps.
        host: The address to listen on. The default is reachable from this machine only.
        port: The port, or 0 for a free one.

    Attributes:
        url: The base URL, such as "http://127.0.0.1:8000".

    Raises:
        SegOpsConfigError: The port is in use, or the address does not belong to this machine.
    """

    def __init__(self, local: LocalSegOps, host: str = "127.0.0.1", port: int = 0) -> None:
        try:
            self._server = _Server((host, port), local)
        except (OSError, OverflowError) as error:
            raise SegOpsConfigError(f"cannot listen on {host}:{port} ({error}): choose another port") from error
        self.url = f"http://{host}:{self._server.server_port}"
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"LocalServer({self.url!r})"

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> LocalServer:
        """Start serving, unless it has started already, and return the server."""
        if self._thread is None:
            thread = threading.Thread(
                target=self._server.serve_forever, args=(_POLL_SECONDS,), name="segops-local", daemon=True
            )
            start_thread(thread)
            self._thread = thread
        return self

    def close(self) -> None:
        """Stop serving, close all connections, and wait at most 2 s for running requests.

        A forked child, and a destructor at interpreter exit, only release their own resources. The thread does not run
        there, and the connections belong to the parent.
        """
        thread, self._thread = self._thread, None
        is_serving = thread is not None and runs(thread)
        if is_serving:
            self._server.shutdown()
        self._server.server_close()
        if is_serving:
            self._server.close_connections()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], local: LocalSegOps) -> None:
        self.local = local
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the host name, which may query a DNS server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment] # typeshed allows bytes

    def process_request(self, request: Any, client_address: Any) -> None:
        """Register the connection on the accepting thread, so that `close_connections` does not miss it."""
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close and unregister the connection."""
        super().shutdown_request(request)
        with self._changed:
            self._connections.discard(request)
            self._changed.notify_all()

    def close_connections(self) -> None:
        """Wake handlers that wait for a client, and wait for all handlers to end."""
        with self._changed:
            for connection in self._connections:
                with suppress(OSError):  # the client closed it first
                    connection.shutdown(socket.SHUT_RD)
            self._changed.wait_for(lambda: not self._connections, _CLOSE_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - signature of the base class
        """Log errors of a connection, unless the client disconnected."""
        if not isinstance(sys.exc_info()[1], OSError):
            _log.exception("the local SegOps failed to serve a connection")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # so that an invalid request line gets a status line too
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS

    def _serve(self) -> None:
        try:
            response = self._respond(self._read_body())
        except HTTPError as error:
            self.close_connection = True
            response = error.response.encode()
        self._write(response)

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _serve  # noqa: N815 - names of the base

    def _respond(self, body: bytes) -> Response:
        path = self.requestline.split()[1]  # self.path has lost one of two leading slashes
        try:
            return cast("_Server", self.server).local.handle(Request(self.command, path, dict(self.headers), body))
        except ConnectionResetError:  # a scripted fault
            _reset(self.connection)
            raise
        except Exception:  # noqa: BLE001 - the server must survive any bug
            _log.exception("the local SegOps failed to handle a request")
            return HTTPError(500, "Internal server error.").response.encode()

    def _read_body(self) -> bytes:
        if "transfer-encoding" in self.headers:
            raise HTTPError(411, "Transfer-Encoding is not supported: send Content-Length.")
        lengths = set(self.headers.get_all("content-length", ["0"]))
        text = lengths.pop()
        if lengths or not (text.isascii() and text.isdecimal() and len(text) <= _LENGTH_DIGITS):
            raise HTTPError(400, "Content-Length must be a single number.")
        length = int(text)
        if length > MAX_BODY:
            self._discard(min(length, 4 * MAX_BODY))
            raise too_large()
        body = self.rfile.read(length)
        if len(body) < length:
            raise HTTPError(400, "The request ended before its Content-Length.")
        return body

    def _discard(self, length: int) -> None:
        """Read the rest of the body, because closing early would reset the connection before the client reads."""
        while length > 0 and (chunk := self.rfile.read(min(length, _CHUNK))):
            length -= len(chunk)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Respond with JSON to what the base class rejects, such as an unknown method."""
        self.close_connection = True
        self._write(HTTPError(code, f"{message or HTTPStatus(code).phrase}.").response.encode())

    def _write(self, response: Response) -> None:
        # A single write, because the client would have to wait for the rest of a response sent in two.
        lines = [
            f"HTTP/1.1 {response.status} {responses.get(response.status, 'Unknown')}",
            f"date: {self.date_time_string()}",
            *([f"content-length: {len(response.body)}"] if response.status != HTTPStatus.NO_CONTENT else []),
            *(f"{name}: {value}" for name, value in response.headers.items()),
            *(["connection: close"] if self.close_connection else []),
        ]
        body = b"" if self.command == "HEAD" else response.body
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the base class
        """Log nothing, because the request log has every request."""


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
