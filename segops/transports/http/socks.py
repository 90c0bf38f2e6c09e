"""Connect through a SOCKS proxy with PySocks, which the extra `socks` installs."""

from __future__ import annotations

from functools import partial
from itertools import product

import socks

from segops.transports.http.addresses import Proxy
from segops.transports.http.sockets import Endpoint, TimedSocket, connect_to_first, resolve

_PROTOCOLS = {
    "socks4": (socks.SOCKS4, False),
    "socks4a": (socks.SOCKS4, True),
    "socks5": (socks.SOCKS5, False),
    "socks5h": (socks.SOCKS5, True),
}
"""The protocol of each scheme, and whether the proxy resolves host names."""


class _NegotiatingSocket(socks.socksocket, TimedSocket):
    """Keeps the deadline of the exchange during the SOCKS handshake."""


def dial_through(proxy: Proxy, host: str, port: int) -> TimedSocket:
    """Connect to `host` through a proxy.

    Raises:
        OSError: The proxy or the host could not be reached.
    """
    _, resolves = _PROTOCOLS[proxy.address.scheme]
    targets = [host] if resolves else [str(address[0]) for *_, address in resolve(host, port)]
    routes = list(product(targets, resolve(proxy.address.host, proxy.address.port)))
    return connect_to_first(routes, partial(_connect, proxy, port))


def _connect(proxy: Proxy, port: int, route: tuple[str, Endpoint], timeout: float) -> TimedSocket:
    target, (family, type_, protocol, _, address) = route
    version, resolves = _PROTOCOLS[proxy.address.scheme]
    user = None if proxy.user is None else proxy.user.decode()
    sock = _NegotiatingSocket(family, type_, protocol)
    try:
        sock.set_proxy(version, str(address[0]), int(address[1]), resolves, user, proxy.password.decode() or None)
        sock.settimeout(timeout)
        sock.connect((target, port))
    except socks.ProxyError as error:
        sock.close()
        if isinstance(error.socket_err, TimeoutError):
            raise error.socket_err from error
        raise
    except BaseException:
        sock.close()
        raise
    return TimedSocket(family, type_, protocol, fileno=sock.detach())
