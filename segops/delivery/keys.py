"""API keys: what they look like, and where they may be sent."""

from __future__ import annotations

import msgspec

from segops.core.errors import SegOpsConfigError


class ApiKey(msgspec.Struct, frozen=True):
    """A key whose kind is known and whose text is never shown."""

    text: str

    @property
    def is_public(self) -> bool:
        """Whether it must be exchanged for a session token."""
        return self.text.startswith("pk_")

    @property
    def authorization(self) -> str:
        """The value of the Authorization header."""
        return f"ApiKey {self.text}"

    def __repr__(self) -> str:
        return f"ApiKey({self.text[:3]}…)"


def check_key(text: object) -> ApiKey:
    """Return the key if it is a secret or a public one.

    Raises:
        SegOpsConfigError: It is neither, or holds characters that cannot stand in a header.
    """
    if not isinstance(text, str) or not text:
        raise SegOpsConfigError("api_key is missing: pass an sk_ or pk_ key, or set SEGOPS_API_KEY")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise SegOpsConfigError("api_key holds a space, a control or a non-ASCII character: copy the key again")
    if not text.startswith(("sk_", "pk_")):
        raise SegOpsConfigError("api_key starts with neither sk_ nor pk_: events need a secret or a public key")
    return ApiKey(text)


def check_secrecy(url: str, key: ApiKey) -> None:
    """Refuse to send a secret key in the clear beyond this machine.

    Raises:
        SegOpsConfigError: `url` is `http:`, its host is not loopback, and the key is secret.
    """
    if key.is_public or not url.lower().startswith("http:"):
        return
    from urllib.parse import urlsplit  # noqa: PLC0415 - slow to load, and only plain http needs it

    host = urlsplit(url).hostname or ""
    if not _is_loopback(host):
        raise SegOpsConfigError(f"a secret key would cross the network to {host!r} in the clear: use https")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    import ipaddress  # noqa: PLC0415 - only plain http needs it

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
