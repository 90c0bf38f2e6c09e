"""Signing a user id on your backend, for public keys that require it."""

from __future__ import annotations

import hmac
import time
from typing import TypedDict

from segops.core import SegOpsConfigError


class SignedUser(TypedDict):
    """A user id with its signature: the fields that `UserContext` and the session handshake take."""

    user_id: str
    user_id_sig: str
    user_id_ts: int


def sign_user_id(secret_hex: str, user_id: str, ts: int | None = None) -> SignedUser:
    """Sign the id of the user who is logged in, never an id taken from a request.

    The server takes a signature for 5 minutes: sign anew on each page load.

    Args:
        secret_hex: The HMAC secret of the public key, as hex text.
        user_id: The id of the logged-in user; not empty.
        ts: Unix time in whole seconds; now if left out.

    Raises:
        SegOpsConfigError: An argument is not of this form. It is also a ValueError.

    Source: wire-protocol.md, section 3.3.
    """
    key = _key(secret_hex)
    if ts is None:
        ts = int(time.time())
    if not isinstance(ts, int) or isinstance(ts, bool) or ts < 0:
        raise SegOpsConfigError(f"ts is {ts!r}: give the unix time in whole seconds, or leave it out")
    message = _user(user_id) + b"|%d" % ts
    return {"user_id": user_id, "user_id_sig": hmac.digest(key, message, "sha256").hex(), "user_id_ts": ts}


def _key(secret_hex: str) -> bytes:
    if not isinstance(secret_hex, str):
        raise SegOpsConfigError(f"the secret is of type {type(secret_hex).__name__}: pass it as hex text")
    try:
        key = bytes.fromhex(secret_hex)
    except ValueError:
        key = b""
    if not key:
        raise SegOpsConfigError(
            "the secret is empty or not hex: copy it as it was shown when the public key was made; it is neither the "
            "key itself nor a webhook secret"
        )
    return key


def _user(user_id: str) -> bytes:
    if not isinstance(user_id, str) or not user_id:
        raise SegOpsConfigError(
            f"the user id is empty or not text, but of type {type(user_id).__name__}: pass its text"
        )
    try:
        return user_id.encode()
    except UnicodeEncodeError:
        # from None: the cause would carry the user id
        raise SegOpsConfigError("the user id has no UTF-8 form: it holds half of a surrogate pair") from None
