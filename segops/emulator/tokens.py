"""Session tokens: compact JSON Web Tokens signed with HMAC-SHA256 (RFC 7515, RFC 7519)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import msgspec

_HEADER = {"alg": "HS256", "typ": "JWT"}


class Claims(msgspec.Struct, frozen=True):
    """What a session token says.

    Attributes:
        uid: The identity that it is locked to.
        key: The number of the public key that minted it.
        exp: The unix seconds at which it expires.
        jti: Random text; makes each token different.
    """

    uid: str
    key: int
    exp: float
    jti: str

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Claims(key={self.key}, exp={self.exp})"


_decoder = msgspec.json.Decoder(Claims)


def new_secret() -> str:
    """Return a new secret for signing tokens, as hex text."""
    return secrets.token_hex(32)


def mint(secret: str, uid: str, key: int, expires: float) -> str:
    """Return a token for `uid` that is good until `expires` (unix seconds)."""
    claims = Claims(uid, key, expires, secrets.token_hex(8))
    signed = ".".join(_encode(msgspec.json.encode(part)) for part in (_HEADER, claims))
    return f"{signed}.{_sign(secret, signed)}"


def read(secret: str, token: str) -> Claims | None:
    """Return the claims of a token that was signed with `secret`, expired or not; None for a forged one.

    The header is not looked at: only our own algorithm is ever tried.
    """
    signed, _, signature = token.rpartition(".")
    if not token.isascii() or not hmac.compare_digest(_sign(secret, signed), signature):
        return None
    body = signed.partition(".")[2]
    return _decoder.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def _sign(secret: str, text: str) -> str:
    return _encode(hmac.new(bytes.fromhex(secret), text.encode(), hashlib.sha256).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
