"""Clean URLs and addresses of untrusted requests, so that only what a policy keeps is recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

MAX_URL = 4096
"""Characters of a URL that are recorded; as browsers do, a longer referrer is cut to its origin."""

_HOST = re.compile(r"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://(?:[^/?#]*@)?([^/?#@]*)([^?#]*)(?:\?([^#]*))?")
_SAFE_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@-]*")
_SAFE_ENCODED = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")
_SEPARATORS = re.compile(r"[?&;]")
_PATH_CHARACTERS = "/._~!$&'()*+,;=:@-"


def encode_path(path: str, encoding: str = "utf-8") -> str:
    """Return a decoded path as it is in a URL."""
    return path if _SAFE_PATH.fullmatch(path) else _quote(path.encode(encoding, "surrogateescape"), _PATH_CHARACTERS)


def tidy_path(path: bytes) -> str:
    """Return a path as it is in a URL from one that a client sent, which may contain any bytes."""
    text = path.decode("latin-1")
    return text if _SAFE_ENCODED.fullmatch(text) else _quote(path, _PATH_CHARACTERS + "%")


def _quote(text: bytes, safe: str) -> str:
    from urllib.parse import quote_from_bytes  # noqa: PLC0415 - only for unusual paths

    return quote_from_bytes(text, safe)


def decode_path(path: str) -> str:
    """Return an encoded path decoded."""
    from urllib.parse import unquote  # noqa: PLC0415 - only for policies with `page`

    return unquote(path)


def is_host(text: str) -> bool:
    """Return whether this is a host with or without a port."""
    return _HOST.fullmatch(text) is not None


def query_filter(names: Iterable[str]) -> Callable[[str], str]:
    """Return a function that removes all parameters of a query but those with these names.

    A malformed query is cut at every separator, so that no other parameter hides in the value of a kept one.
    """
    patterns = "|".join(".*".join(map(re.escape, name.split("*"))) for name in names)
    is_kept = re.compile(patterns or "(?!)", re.IGNORECASE | re.DOTALL).fullmatch

    def keep(query: str) -> str:
        if not query:
            return ""
        from urllib.parse import unquote_plus  # noqa: PLC0415 - only for pages with a query

        pairs = [pair for pair in _SEPARATORS.split(query[:MAX_URL]) if is_kept(unquote_plus(pair.partition("=")[0]))]
        kept = "&".join(pairs)
        return kept if kept.isascii() and kept.isprintable() else _quote(kept.encode("latin-1", "replace"), _QUERY)

    return keep


_QUERY = _PATH_CHARACTERS + "%?&"


def split_referrer(text: str) -> tuple[str, str, str, str] | None:
    """Return the scheme, host, path, and query of a `Referer` header; None if it is not the URL of a page.

    Credentials and the fragment are left out. The path is encoded, and empty if the whole is too long.
    """
    found = _URL.match(text[: MAX_URL + 1].strip())
    if found is None or not is_host(found[2]):
        return None
    scheme, host, path, query = found.groups("")
    if len(text) > MAX_URL:
        return scheme, host, "/", ""
    return scheme, host, tidy_path(path.encode("latin-1", "replace")), query


def client_address(peer: str | None, forwarded: str | None, trusted_proxies: int) -> str | None:
    """Return the address of the visitor, as the nearest `trusted_proxies` proxies report it."""
    if not trusted_proxies or not forwarded:
        return peer
    chain = [entry.strip() for entry in forwarded.split(",")]
    return chain[-min(trusted_proxies, len(chain))]


def record_address(address: str | None, *, truncate: bool) -> str | None:
    """Return the address, or the network that it is in; None if it is not an IP address."""
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 - only for policies with `ip`

    try:
        ip = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if not truncate:
        return str(ip)
    network = ip_network((ip, 24 if ip.version == 4 else 48), strict=False)  # noqa: PLR2004 - versions of IP
    return str(network.network_address)
