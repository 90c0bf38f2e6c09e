"""Serve the shop on this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import uvicorn

from segops import SegOpsClient
from shop import django_shop, fastapi_shop, flask_shop

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_HOST = "127.0.0.1"


class Server(Protocol):
    """A server with its application."""

    url: str

    def run(self) -> None:
        """Serve until it is stopped."""

    def stop(self) -> None:
        """Stop `run`, which another thread runs."""


class Uvicorn:
    """Serves FastAPI."""

    def __init__(self, client: SegOpsClient, port: int) -> None:
        self._socket = socket.create_server((_HOST, port))
        self.url = f"http://{_HOST}:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(fastapi_shop.create_app(client), log_level="warning"))

    def run(self) -> None:
        """Serve until it is stopped."""
        with self._socket:
            self._server.run([self._socket])

    def stop(self) -> None:
        """Stop `run`, which another thread runs."""
        self._server.should_exit = True


class Wsgi:
    """Serves Flask and Django, with the standard library and a thread for each request."""

    def __init__(self, app: WSGIApplication, port: int) -> None:
        self._server = make_server(_HOST, port, app, _ThreadingServer, _QuietHandler)
        self.url = f"http://{_HOST}:{self._server.server_port}"

    def run(self) -> None:
        """Serve until it is stopped."""
        with self._server:
            self._server.serve_forever(0.05)

    def stop(self) -> None:
        """Stop `run`, which another thread runs."""
        self._server.shutdown()


SERVERS: Mapping[str, Callable[[SegOpsClient, int], Server]] = {
    "fastapi": Uvicorn,
    "flask": lambda client, port: Wsgi(flask_shop.create_app(client), port),
    "django": lambda client, port: Wsgi(django_shop.create_app(client), port),
}
"""Functions that make a server, by framework."""


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no requests."""
