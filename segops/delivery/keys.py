"""Check API keys, and where they may be sent."""

from __future__ import annotations

import msgspec

from segops.core.errors import SegOpsConfigError


class ApiKey(msgspec.Struct, frozen=True):
    """A secret or public key. Its text never appears in a repr."""

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
        SegOpsConfigError: It is neither, or has characters that are not allowed in a header.
    """
    if not isinstance(text, str) or not text:
        raise SegOpsConfigError("missing API key: pass api_key, or set SEGOPS_API_KEY")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise SegOpsConfigError(
            "invalid API key: it contains a space, a control character, or a non-ASCII character; copy it again"
        )
    if not text.startswith(("sk_", "pk_")):
        raise SegOpsConfigError("invalid API key: SegOpsClient requires a secret key (sk_…) or a public key (pk_…)")
    return ApiKey(text)


def check_secrecy(url: str, key: ApiKey) -> None:
    """Refuse to send a secret key unencrypted beyond this machine.

    Raises:
        SegOpsConfigError: `url` is `http:`, its host is not loopback, and the key is secret.
    """
    if key.is_public or not url.lower().startswith("http:"):
        return
    from urllib.parse import urlsplit  # noqa: PLC0415 - slow to load, and only plain http needs it

    host = urlsplit(url).hostname or ""
    if not _is_loopback(host):
        raise SegOpsConfigError(f"refusing to send a secret key to {host!r} over plain HTTP: use https")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    import ipaddress  # noqa: PLC0415 - only plain http needs it

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
