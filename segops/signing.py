"""Sign user ids on your backend, for public keys that require signatures."""

from __future__ import annotations

import hmac
import time
from typing import TypedDict

from segops.core import SegOpsConfigError


class SignedUser(TypedDict):
    """A signed user id: the fields that `UserContext` and the session handshake accept."""

    user_id: str
    user_id_sig: str
    user_id_ts: int


def sign_user_id(secret_hex: str, user_id: str, ts: int | None = None) -> SignedUser:
    """Sign the id of the logged-in user. Never sign an id from a request.

    The server accepts a signature for 5 minutes, so create one per page load.

    Args:
        secret_hex: The HMAC secret of the public key, in hex.
        user_id: The id of the logged-in user; must not be empty.
        ts: Unix time in whole seconds. Default: now.

    Raises:
        SegOpsConfigError: An argument is invalid. It is also a ValueError.

    Source: docs/webhooks-and-signing.md.
    """
    key = _key(secret_hex)
    if ts is None:
        ts = int(time.time())
    if not isinstance(ts, int) or isinstance(ts, bool) or ts < 0:
        raise SegOpsConfigError(f"ts must be a Unix time in whole seconds, got {ts!r}")
    message = _user(user_id) + b"|%d" % ts
    return {"user_id": user_id, "user_id_sig": hmac.digest(key, message, "sha256").hex(), "user_id_ts": ts}


def _key(secret_hex: str) -> bytes:
    if not isinstance(secret_hex, str):
        raise SegOpsConfigError(f"secret_hex must be a hex string, got {type(secret_hex).__name__}")
    try:
        key = bytes.fromhex(secret_hex)
    except ValueError:
        key = b""
    if not key:
        raise SegOpsConfigError(
            "secret_hex must be a non-empty hex string: copy the HMAC secret that was shown when the public key was "
            "created, not the key itself or a webhook secret"
        )
    return key


def _user(user_id: str) -> bytes:
    if not isinstance(user_id, str) or not user_id:
        got = repr(user_id) if user_id == "" else type(user_id).__name__
        raise SegOpsConfigError(f"user_id must be a non-empty string, got {got}")
    try:
        return user_id.encode()
    except UnicodeEncodeError:
        # from None: the cause contains the user id
        raise SegOpsConfigError("user_id contains a lone surrogate, which UTF-8 cannot encode: remove it") from None
