"""Mint and read JSON Web Tokens signed with HMAC-SHA256 (RFC 7515, RFC 7519)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import msgspec

_HEADER = {"alg": "HS256", "typ": "JWT"}


class Claims(msgspec.Struct, frozen=True):
    """The claims of a token.

    Attributes:
        uid: The user id that it is bound to.
        key: The id of the public key that minted it.
        exp: When it expires, in Unix seconds.
        jti: Random text that makes each token unique.
    """

    uid: str
    key: int
    exp: float
    jti: str

    def __repr__(self) -> str:
        """Omit personal data."""
        return f"Claims(key={self.key}, exp={self.exp})"


_decoder = msgspec.json.Decoder(Claims)


def new_secret() -> str:
    """Return a new, hex-encoded secret for signing tokens."""
    return secrets.token_hex(32)


def mint(secret: str, uid: str, key: int, expires: float) -> str:
    """Return a token for `uid` that is valid until `expires`, in Unix seconds."""
    claims = Claims(uid, key, expires, secrets.token_hex(8))
    signed = ".".join(_encode(msgspec.json.encode(part)) for part in (_HEADER, claims))
    return f"{signed}.{_sign(secret, signed)}"


def read(secret: str, token: str) -> Claims | None:
    """Return the claims of a token signed with `secret`, even if it has expired, or None for a forged one.

    The header is ignored, because only one algorithm is supported.
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
