r"""Read host, path, and query values of untrusted URLs as browsers do.

The standard library's `urlsplit` raises for some texts, and reads "https://evil.example\@chatgpt.com" as a page of
chatgpt.com, where browsers go to evil.example.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_ABSOLUTE = re.compile(r"(?:(https?|android-app):[/\\]*|[/\\]{2,})([^/\\?#]*)([^?#]*)", re.ASCII | re.IGNORECASE)
_BARE = re.compile(r"()([^/\\?#@:]+(?::[0-9]*)?)(?![^/\\?#])([^?#]*)")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_QUERY = re.compile(r"[^?#]*\?([^#]*)")

_UTM_SOURCE = re.compile(r"[?&;]utm_source=([^?&;]+)", re.IGNORECASE)
_WRAPPING = re.compile(r"^[\s\"'(<\[]*(?:https?:/*)?(?:www\.)?")
_TRAILING = "/.,:)>]\"' \t\r\n"

_HOST_MAX = 253
_SURROUNDING = "".join(map(chr, range(0x21)))


class Url(msgspec.Struct, frozen=True):
    """The parts of a URL that identify a provider.

    Attributes:
        host: In lower case, with non-ASCII labels in punycode, without port, user information, and trailing dots.
        path: As written, with slashes instead of backslashes; may be empty.
        app: Whether `host` is the package name of an Android app.
    """

    host: str
    path: str
    app: bool = False


def read_url(text: str) -> Url | None:
    """Read an http, https, or android-app URL, with scheme, scheme-relative ("//host/…"), or bare ("host/…").

    Returns:
        None if `text` is not such a URL, or has no host.
    """
    text = text.strip(_SURROUNDING).replace("\t", "").replace("\n", "").replace("\r", "")
    found = _ABSOLUTE.match(text) or _BARE.match(text)
    if found is None:
        return None
    scheme, authority, path = found.groups("")
    name, _, port = authority.rpartition("@")[2].partition(":")
    host = ascii_host(name)
    if host is None or (port and not (port.isascii() and port.isdecimal())):
        return None
    return Url(host, path.replace("\\", "/"), app=scheme.lower() == "android-app")


def ascii_host(host: str) -> str | None:
    """Return `host` in normalized form, or None if it is not a host name."""
    if "%" in host:
        from urllib.parse import unquote  # noqa: PLC0415 - 2 ms to load, hardly ever needed

        try:
            host = unquote(host, errors="strict")
        except UnicodeDecodeError:
            return None
    if len(host) > _HOST_MAX:  # NFKC and punycode take quadratic time
        return None
    if not host.isascii():
        host = _punycode(host)
    host = host.lower().rstrip(".")
    return host if _HOST.fullmatch(host) else None


def query_value(url: str, name: str) -> str | None:
    """Return the first non-empty value of a query parameter, form-decoded, or None."""
    query = _QUERY.match(url)
    value = query and re.search(rf"(?:^|&){name}=([^&]+)", query[1])
    if not value:
        return None
    from urllib.parse import unquote_plus  # noqa: PLC0415 - 2 ms to load, needed only here

    return unquote_plus(value[1])


def utm_sources(url: str) -> Iterator[str]:
    """Yield the values of `utm_source` in normalized form.

    Link builders, e-mails, and chats produce malformed URLs, so this accepts what URL parsers do not: a second "?",
    "&amp;", escaped names, values, and separators, any case, and a host name written as a URL.
    """
    from urllib.parse import unquote_plus  # noqa: PLC0415 - 2 ms to load, needed only here

    address = url.partition("#")[0]
    decoded = unquote_plus(address)
    for text in dict.fromkeys((address, decoded, unquote_plus(decoded))):
        for value in _UTM_SOURCE.findall(text):
            yield _WRAPPING.sub("", unquote_plus(value).strip().lower()).rstrip(_TRAILING)


def _punycode(host: str) -> str:
    """Return a non-ASCII host in punycode; empty if that is impossible.

    The "idna" codec follows the rules of 2003, which turn "ß" into "ss" and drop joiners, so that one host could pass
    for another.
    """
    from unicodedata import normalize  # noqa: PLC0415 - only for hosts that are not ASCII

    host = normalize("NFKC", normalize("NFKC", host).lower()).replace("\u3002", ".")
    if not host.isprintable():
        return ""
    labels = [label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in host.split(".")]
    return ".".join(labels)
