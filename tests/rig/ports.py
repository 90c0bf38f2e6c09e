"""Ports that no other test gets while a test runs."""

from __future__ import annotations

import atexit
import random
import socket
from functools import cache


@cache
def refused_port() -> int:
    """Return a port of 127.0.0.1 that refuses connections: it is bound, so that nobody gets it, but does not listen."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    atexit.register(sock.close)
    port: int = sock.getsockname()[1]
    return port


def lasting_port() -> int:
    """Return a free port that can be listened on later, and again: none of those that the system gives out itself."""
    while True:
        port = random.randrange(10_000, 30_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


@cache
def deaf_port() -> int:
    """Return a port that takes connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    atexit.register(listener.close)
    port: int = listener.getsockname()[1]
    return port
