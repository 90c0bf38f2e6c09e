"""A small HTTP proxy: forwards absolute URLs, tunnels CONNECT, and can require credentials."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Sequence

from tests.rig.fault_server import Call, Fault, FaultServer, raw


class Proxy(FaultServer):
    """Send everything to one server, whatever host the client names; the journal contains the requests.

    Args:
        upstream: The port of that server on 127.0.0.1.
        authorization: The Proxy-Authorization header to require; None for none.
        first: What happens to the first requests instead.
    """

    def __init__(
        self,
        upstream: int,
        authorization: str | None = None,
        tls: ssl.SSLContext | None = None,
        *,
        first: Sequence[Fault] = (),
        port: int = 0,
    ) -> None:
        super().__init__(*first, default=_forward(upstream, authorization), tls=tls, port=port)


def _forward(upstream: int, authorization: str | None) -> Fault:
    def fault(call: Call) -> None:
        asked = call.read()
        if authorization is not None and asked.headers.get("proxy-authorization") != authorization:
            call.peer.send(raw(407, b"", {"Proxy-Authenticate": "Basic"}))
            return
        with socket.create_connection(("127.0.0.1", upstream)) as server:
            if asked.method == "CONNECT":
                call.peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                path = "/" + asked.target.split("/", 3)[3]
                head = [f"{asked.method} {path} HTTP/1.1", *[f"{k}: {v}" for k, v in asked.headers.items()], "", ""]
                server.sendall("\r\n".join(head).encode() + asked.body)
            _pump(call, server)
        call.peer.close()

    return fault


def _pump(call: Call, server: socket.socket) -> None:
    """Copy bytes both ways until either side is done."""
    client = call.peer.sock
    other = {client: server, server: client}
    with contextlib.suppress(OSError):
        while not call.server.stopping.is_set():
            pending = isinstance(client, ssl.SSLSocket) and client.pending()
            ready = [client] if pending else select.select([client, server], [], [], 0.05)[0]
            for sock in ready:
                data = sock.recv(65536)
                if not data:
                    return
                other[sock].sendall(data)
