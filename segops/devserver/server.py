"""Serve the application with uvicorn, on its own thread."""

from __future__ import annotations

import secrets
import socket
import struct
import threading
from typing import Any, cast

import uvicorn

from segops import SegOpsConfigError, __version__
from segops.devserver.app import make_app
from segops.devserver.discovery import Info
from segops.devserver.protocol import JsonErrorProtocol
from segops.emulator import LocalSegOps
from segops.forward import StreamWatch
from segops.utils import runs, start_thread

_GRACE = 2
_KEEP_ALIVE = 60
_LAST_PORT = 65535
_ON_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound


class DevServer:
    """Serves a local SegOps and its page.

    Args:
        local: The local SegOps.
        host: The address to listen on.
        port: The port, or 0 for a free one.
        watch: Looks at a broker; None if there is none.

    Attributes:
        info: Its URL and its keys.

    Raises:
        SegOpsConfigError: The port is in use, or the address does not belong to this machine.
    """

    def __init__(
        self, local: LocalSegOps, host: str = "127.0.0.1", port: int = 0, watch: StreamWatch | None = None
    ) -> None:
        self._socket = _listen(host, port)
        shown = _ON_ALL.get(host, host)
        shown = f"[{shown}]" if ":" in shown else shown
        self.info = Info(
            url=f"http://{shown}:{self._socket.getsockname()[1]}",
            instance=secrets.token_hex(8),
            secret_key=local.secret_key,
            public_key=local.public_key,
            signing_secret=local.signing_secret,
            database=local.path,
            version=__version__,
            stream=None if watch is None else watch.url,
        )
        app = make_app(local, self.info, watch, is_stopping=lambda: self._server.should_exit, reset=self._reset)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=JsonErrorProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="segops-dev", daemon=True
        )

    def __repr__(self) -> str:
        return f"DevServer({self.info.url!r})"

    def __enter__(self) -> DevServer:
        start_thread(self._thread)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving, end all streams, and wait at most 2 s for running requests."""
        self._server.should_exit = True
        if runs(self._thread):
            self._thread.join()
        self._socket.close()

    def _reset(self, client: tuple[str, int]) -> None:
        """Reset the connection of a client."""
        for protocol in self._server.server_state.connections:
            transport = cast("Any", protocol).transport
            if cast("Any", protocol).client == client and transport is not None:
                accepted = transport.get_extra_info("socket")
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()


def _listen(host: str, port: int) -> socket.socket:
    if port > _LAST_PORT:
        raise SegOpsConfigError(f"--port must be at most {_LAST_PORT}, got {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as error:
        raise SegOpsConfigError(f"cannot listen on {host}:{port} ({error}): choose another address") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)  # from here on connections wait until the server accepts them
    except (OSError, OverflowError) as error:
        listener.close()
        raise SegOpsConfigError(f"cannot listen on {host}:{port} ({error}): choose another port with --port") from error
    return listener
