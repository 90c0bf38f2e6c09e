"""Validate the server's URL, and find and validate the proxy."""

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
_MAX_SOCKS_CREDENTIAL = 127
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MAX_NAME = 253
_BRACKETED = re.compile(r"\[([^]]*)\](?::([0-9]+))?")
_NOT_IN_URL = re.compile(r"[^!-~]")


class Address(msgspec.Struct, frozen=True):
    """A server or a proxy.

    Attributes:
        scheme: "http" or "https"; for a proxy also "socks4", "socks4a", "socks5" or "socks5h".
        host: The host name or IP address, without brackets.
        port: The TCP port.
        authority: Host and port as in a URL and a Host header, without the default port.
    """

    scheme: str
    host: str
    port: int
    authority: str

    def __str__(self) -> str:
        """Return the address as a URL."""
        return f"{self.scheme}://{self.authority}"


class Proxy(msgspec.Struct, frozen=True):
    """A proxy and the credentials for it.

    Attributes:
        address: Its address.
        user: The user name; None to send no credentials.
        password: The password.
    """

    address: Address
    user: bytes | None = None
    password: bytes = b""

    @property
    def is_socks(self) -> bool:
        """Whether it is a SOCKS proxy."""
        return self.address.scheme in _SOCKS_PORTS

    @property
    def headers(self) -> dict[str, str]:
        """The credentials as headers; empty if there are none."""
        if self.user is None:
            return {}
        pair = base64.b64encode(self.user + b":" + self.password)
        return {"Proxy-Authorization": f"Basic {pair.decode()}"}

    def __repr__(self) -> str:
        """Omit the credentials."""
        return f"Proxy({self.address})"


def parse_base(url: str) -> tuple[Address, str]:
    """Return the server, and the path to put before the path of every request.

    Trailing slashes and a trailing "/api" are removed, because the paths of requests begin with "/api/".

    Raises:
        SegOpsConfigError: It is not an http or https URL with a host and optionally a port and a path.
    """
    parts = _split(url, "the SegOps URL")
    if "@" in parts.netloc:
        raise SegOpsConfigError("the SegOps URL has user info (user:password@): remove it, and pass the API key")
    address = _address(parts, "the SegOps URL")
    _reject_options(parts, url, f"the SegOps URL {address}")
    return address, parts.path.rstrip("/").removesuffix("/api").rstrip("/")


def find_proxy(address: Address, option: str | None) -> Proxy | None:
    """Return the proxy to use for `address`, if any.

    Args:
        address: The server.
        option: A proxy URL; "" for none; None for the proxy of the environment (`http_proxy`, `https_proxy`,
            `all_proxy`, `no_proxy`), which is never used for this machine itself.

    Raises:
        SegOpsConfigError: The proxy URL is invalid.
    """
    if option is not None:
        return _parse_proxy(option, "the proxy URL") if option else None
    known = getproxies()
    is_excluded = _is_excluded(address, known["no"]) if "no" in known else proxy_bypass(address.host)
    url = known.get(address.scheme) or known.get("all")
    if not url or is_excluded or _is_loopback(address.host):
        return None
    return _parse_proxy(url if "://" in url else f"http://{url}", f"the proxy URL in the environment for {address}")


def _is_excluded(address: Address, no_proxy: str) -> bool:
    """Return whether `no_proxy` names a server, by the rules of curl.

    Entries are host names, which include their subdomains, IP addresses, networks (10.0.0.0/8), or "*" for everything;
    a port limits an entry to that port. The standard library supports neither networks nor brackets.
    """
    return any(_matches(entry, address) for entry in no_proxy.replace(",", " ").lower().split())


def _matches(entry: str, address: Address) -> bool:
    host = address.host.lower().rstrip(".")
    bracketed = _BRACKETED.fullmatch(entry)
    name, port = bracketed.groups() if bracketed else (entry, None)
    if bracketed is None and name.count(":") == 1:
        name, _, port = name.partition(":")
    if port is not None and port != str(address.port):
        return False
    if name == "*":
        return True
    if _is_ip(host):
        return _contains(name, host)
    name = name.removeprefix("*").strip(".")
    return name != "" and (host == name or host.endswith(f".{name}"))


def _contains(network: str, host: str) -> bool:
    ip = ipaddress.ip_address(host)
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError:  # a host name, or not valid
        return False
    return ip in parsed or (getattr(ip, "ipv4_mapped", None) or ip) in parsed


def _parse_proxy(url: str, what: str) -> Proxy:
    parts = _split(url, what)
    if parts.scheme == "socks":  # curl reads it as socks4, everything else as socks5
        parts = parts._replace(scheme="socks5")
    address = _address(parts, what, _PROXY_PORTS)
    _reject_options(parts, url, what)
    if parts.path not in {"", "/"}:
        raise SegOpsConfigError(f"{what} has a path: remove it")
    if "@" not in parts.netloc:
        return Proxy(address)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    proxy = Proxy(address, unquote_to_bytes(user), unquote_to_bytes(password))
    if proxy.is_socks:
        _check_socks_credentials(proxy, what)
    return proxy


def _check_socks_credentials(proxy: Proxy, what: str) -> None:
    for part in (proxy.user or b"", proxy.password):
        if len(part) > _MAX_SOCKS_CREDENTIAL or not _is_utf8(part):
            raise SegOpsConfigError(
                f"{what} has a user name or password that PySocks cannot send: use at most {_MAX_SOCKS_CREDENTIAL} "
                "bytes of UTF-8"
            )
    if proxy.password and proxy.address.scheme.startswith("socks4"):
        raise SegOpsConfigError(f"{what} has a password, which SOCKS4 does not support: remove it, or use socks5h://")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _reject_options(parts: SplitResult, url: str, what: str) -> None:
    """Reject a query and a fragment; show only names, because values may be secret."""
    names = [name.partition("=")[0] for name in parts.query.split("&") if name]
    if names:
        raise SegOpsConfigError(f"{what} has the unknown option {names[0]!r} in its query: remove it")
    if "#" in url:
        raise SegOpsConfigError(f"{what} has a fragment (#…): remove it")
    if "?" in url:
        raise SegOpsConfigError(f"{what} ends with a question mark: remove it")


def _split(url: str, what: str) -> SplitResult:
    if not isinstance(url, str):
        raise SegOpsConfigError(f"{what} must be a str such as 'https://host', got {type(url).__name__}")
    if _NOT_IN_URL.search(url):
        raise SegOpsConfigError(
            f"{what} contains a space, a control character or a non-ASCII character: percent-encode the path, and "
            "write an international host name in its xn-- form"
        )
    try:
        return urlsplit(url)
    except ValueError:
        raise SegOpsConfigError(f"{what} has an invalid IPv6 address in brackets: write https://[::1]:8000") from None


def _address(parts: SplitResult, what: str, ports: Mapping[str, int] = _PORTS) -> Address:
    if parts.scheme not in ports:
        expected = " or ".join(f"{scheme}://" for scheme in sorted(ports, reverse=True))
        raise SegOpsConfigError(f"{what} has the unsupported scheme {parts.scheme!r}: it must begin with {expected}")
    host = parts.hostname or ""
    if not _is_host(host):
        raise SegOpsConfigError(f"{what} has the invalid host {host!r}: write https://host")
    try:
        port = ports[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port:
        raise SegOpsConfigError(f"{what} has an invalid port: use a number from 1 to 65535, as in https://host:8000")
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
