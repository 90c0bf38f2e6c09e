"""Where a transport connects to: the checks of its URL and of its proxy."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from segops.core import SegOpsConfigError

_PORTS = {"http": 80, "https": 443}
_SOCKS_PORTS = dict.fromkeys(("socks4", "socks4a", "socks5", "socks5h"), 1080)
_PROXY_PORTS = _PORTS | _SOCKS_PORTS
_SOCKS_CREDENTIAL = 127
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MAX_NAME = 253
_BRACKETED = re.compile(r"\[([^]]*)\](?::([0-9]+))?")
_NOT_IN_URL = re.compile(r"[^!-~]")


class Address(msgspec.Struct, frozen=True):
    """A server.

    Attributes:
        scheme: "http" or "https"; of a proxy also "socks4", "socks4a", "socks5" or "socks5h".
        host: The host name or IP address, without brackets.
        port: The TCP port.
        authority: Host and port as a URL and a Host header write them; the default port is left out.
    """

    scheme: str
    host: str
    port: int
    authority: str

    def __str__(self) -> str:
        """Write the address as a URL."""
        return f"{self.scheme}://{self.authority}"


class Proxy(msgspec.Struct, frozen=True):
    """A proxy and what it asks for.

    Attributes:
        address: Where it listens.
        user: The user name for it; None if it takes none.
        password: The password.
    """

    address: Address
    user: bytes | None = None
    password: bytes = b""

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, and not HTTP."""
        return self.address.scheme in _SOCKS_PORTS

    @property
    def headers(self) -> dict[str, str]:
        """The credentials for it, as headers; empty if it takes none."""
        if self.user is None:
            return {}
        pair = base64.b64encode(self.user + b":" + self.password)
        return {"Proxy-Authorization": f"Basic {pair.decode()}"}

    def __repr__(self) -> str:
        """Show no credentials."""
        return f"Proxy({self.address})"


def parse_base(url: str) -> tuple[Address, str]:
    """Return the server that `url` names and the path in front of every request's path.

    Slashes at the end and a trailing "/api" are cut off, because the paths of requests begin with "/api/".

    Raises:
        SegOpsConfigError: It is not an http or https URL of a host, with at most a port and a path.
    """
    parts = _split(url, "the URL of SegOps")
    if "@" in parts.netloc:
        raise SegOpsConfigError(
            "the URL of SegOps contains user info (user:password@): leave it out and pass the API key"
        )
    address = _address(parts, "the URL of SegOps")
    _refuse_options(parts, url, f"the URL of SegOps, {address},")
    return address, parts.path.rstrip("/").removesuffix("/api").rstrip("/")


def find_proxy(address: Address, option: str | None) -> Proxy | None:
    """Return the proxy on the way to `address`, if there is one.

    Args:
        address: The server.
        option: A proxy URL; "" for none; None for what the environment says (`http_proxy`, `https_proxy`, `all_proxy`,
            `no_proxy`). The environment's proxy is never used for this machine itself.

    Raises:
        SegOpsConfigError: The proxy's URL is not understood.
    """
    if option is not None:
        return _parse_proxy(option, "the proxy") if option else None
    known = getproxies()
    is_excluded = _is_excluded(address, known["no"]) if "no" in known else proxy_bypass(address.host)
    if is_excluded or _is_loopback(address.host):
        return None
    url = known.get(address.scheme) or known.get("all")
    if not url:
        return None
    return _parse_proxy(url if "://" in url else f"http://{url}", f"the proxy that the environment sets for {address}")


def _is_excluded(address: Address, no_proxy: str) -> bool:
    """Tell whether `no_proxy` names a server, as curl reads it.

    It holds names, which include their subdomains, IP addresses and networks (10.0.0.0/8), "*" for all; with a port,
    only that port is meant. The standard library knows neither networks nor brackets.
    """
    return any(_names(entry, address) for entry in no_proxy.replace(",", " ").lower().split())


def _names(entry: str, address: Address) -> bool:
    host = address.host.lower().rstrip(".")
    bracketed = _BRACKETED.fullmatch(entry)
    name, port = bracketed.groups() if bracketed else (entry, None)
    if bracketed is None and name.count(":") == 1:
        name, _, port = name.partition(":")
    if port is not None and port != str(address.port):
        return False
    if _is_ip(host):
        return _contains(name, host)
    name = name.removeprefix("*").strip(".")
    return entry == "*" or (name != "" and (host == name or host.endswith(f".{name}")))


def _contains(network: str, host: str) -> bool:
    if network == "*":
        return True
    ip = ipaddress.ip_address(host)
    forms = {ip, getattr(ip, "ipv4_mapped", None) or ip}
    try:
        return any(form in ipaddress.ip_network(network, strict=False) for form in forms)
    except ValueError:  # a name, or nothing that is known
        return False


def _parse_proxy(url: str, what: str) -> Proxy:
    parts = _split(url, what)
    if parts.scheme == "socks":  # curl takes it for socks4, everybody else for socks5
        parts = parts._replace(scheme="socks5")
    address = _address(parts, what, _PROXY_PORTS)
    _refuse_options(parts, url, what)
    if parts.path not in {"", "/"}:
        raise SegOpsConfigError(f"{what} has a path: leave it out")
    if "@" not in parts.netloc:
        return Proxy(address)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    proxy = Proxy(address, unquote_to_bytes(user), unquote_to_bytes(password))
    if proxy.is_socks:
        _check_socks_credentials(proxy, what)
    return proxy


def _check_socks_credentials(proxy: Proxy, what: str) -> None:
    for part in (proxy.user or b"", proxy.password):
        if len(part) > _SOCKS_CREDENTIAL or not _is_utf8(part):
            raise SegOpsConfigError(
                f"{what} has a user name or password of more than {_SOCKS_CREDENTIAL} bytes, or not in UTF-8, which "
                "PySocks cannot send: use other credentials"
            )
    if proxy.password and proxy.address.scheme.startswith("socks4"):
        raise SegOpsConfigError(
            f"{what} has a password, which SOCKS4 has no place for: leave it out, or use socks5h://"
        )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse_options(parts: SplitResult, url: str, what: str) -> None:
    """Refuse what would be left out in silence; by name, as the values may be secret."""
    names = [name.partition("=")[0] for name in parts.query.split("&") if name]
    if names:
        raise SegOpsConfigError(f"{what} has a query with the unknown option {names[0]!r}: leave it out")
    if "#" in url:
        raise SegOpsConfigError(f"{what} has a fragment (#…): leave it out")
    if "?" in url:
        raise SegOpsConfigError(f"{what} has an empty query: leave out the question mark")


def _split(url: str, what: str) -> SplitResult:
    if not isinstance(url, str):
        raise SegOpsConfigError(f"{what} must be text, but is of type {type(url).__name__}: pass https://host")
    if _NOT_IN_URL.search(url):
        raise SegOpsConfigError(
            f"{what} holds a space, a control character or a letter beyond ASCII: percent-encode its path, "
            "and write an international host name in its xn-- form"
        )
    try:
        return urlsplit(url)
    except ValueError:
        raise SegOpsConfigError(f"{what} has brackets that hold no IPv6 address: write https://[::1]:8000") from None


def _address(parts: SplitResult, what: str, ports: Mapping[str, int] = _PORTS) -> Address:
    if parts.scheme not in ports:
        allowed = " or ".join(f"{scheme}://" for scheme in sorted(ports, reverse=True))
        raise SegOpsConfigError(f"{what} has the scheme {parts.scheme!r}: it must begin with {allowed}")
    host = parts.hostname or ""
    if not _is_host(host):
        raise SegOpsConfigError(
            f"{what} has the host {host!r}, which is neither a name nor an address: write https://host"
        )
    try:
        port = ports[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port:
        raise SegOpsConfigError(f"{what} has a port that is no number from 1 to 65535: write https://host:8000")
    written = f"[{host}]" if ":" in host else host
    return Address(parts.scheme, host, port, written if port == ports[parts.scheme] else f"{written}:{port}")


def _is_host(host: str) -> bool:
    if ":" in host:
        return _is_ip(host)
    labels = host.removesuffix(".").split(".")
    return len(host) <= _MAX_NAME and all(_LABEL.fullmatch(label) for label in labels)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)
