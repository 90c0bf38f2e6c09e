import socket

SOCKS4: int
SOCKS5: int

class ProxyError(OSError):
    socket_err: OSError | None

class socksocket(socket.socket):
    def set_proxy(
        self,
        proxy_type: int | None = None,
        addr: str | None = None,
        port: int | None = None,
        rdns: bool = True,
        username: str | None = None,
        password: str | None = None,
    ) -> None: ...
