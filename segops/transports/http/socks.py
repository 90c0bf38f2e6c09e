"""Connections through a SOCKS proxy, by PySocks, which the extra `socks` brings."""

from __future__ import annotations

from functools import partial
from itertools import product

import socks

from segops.transports.http.addresses import Proxy
from segops.transports.http.sockets import Endpoint, TimedSocket, first_that_connects, resolve

_KINDS = {
    "socks4": (socks.SOCKS4, False),
    "socks4a": (socks.SOCKS4, True),
    "socks5": (socks.SOCKS5, False),
    "socks5h": (socks.SOCKS5, True),
}
"""The protocol of each scheme, and whether the proxy resolves names."""


class _Negotiation(socks.socksocket, TimedSocket):
    """Keeps the deadline of the exchange while it is agreed with the proxy where to connect to."""


def dial_through(proxy: Proxy, host: str, port: int) -> TimedSocket:
    """Connect to `host` through a proxy.

    Raises:
        OSError: The proxy, or what is behind it, was not reached.
    """
    _, resolves = _KINDS[proxy.address.scheme]
    targets = [host] if resolves else [str(address[0]) for *_, address in resolve(host, port)]
    ways = list(product(targets, resolve(proxy.address.host, proxy.address.port)))
    return first_that_connects(ways, partial(_connect, proxy, port))


def _connect(proxy: Proxy, port: int, way: tuple[str, Endpoint], timeout: float) -> TimedSocket:
    target, (family, kind, protocol, _, address) = way
    version, resolves = _KINDS[proxy.address.scheme]
    user = None if proxy.user is None else proxy.user.decode()
    sock = _Negotiation(family, kind, protocol)
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
    return TimedSocket(family, kind, protocol, fileno=sock.detach())
