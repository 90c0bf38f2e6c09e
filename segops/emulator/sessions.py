"""A public key is exchanged for a session token that is locked to one user.

Source: wire-protocol.md, sections 3 and 11 (point 3).
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from segops.emulator import aliases, times, tokens
from segops.emulator.answers import Answer, refuse
from segops.emulator.auth import token_secret
from segops.emulator.call import Call
from segops.emulator.parsing import parse
from segops.emulator.strictness import refuse_unknown

SIGNATURE_TOLERANCE = 300.0
"""How far the time of a signature may be from the clock, in seconds."""

_ANONYMOUS = "anonymous"


class _Identity(msgspec.Struct):
    """Who the session is for; absent, null and empty mean the same."""

    user_id: str | None = None
    anonymous_id: str | None = None
    user_id_sig: str | None = None
    user_id_ts: int | None = None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_identity = msgspec.json.Decoder(_Identity)


def open_session(call: Call) -> Answer:
    """Mint a session token; 200, 400 for a bad body, 403 for a foreign origin or a bad signature."""
    key = call.caller.key
    if not key.admits(call.headers.get("origin")):
        raise refuse(403, "This origin is not on the allowlist of the key.")
    try:
        members = parse(call.body, _members)
        refuse_unknown(members, _Identity.__struct_fields__)
        identity = parse(call.body, _identity)
    except msgspec.ValidationError as error:
        raise refuse(400, str(error)) from None
    if key.require_signature and identity.user_id:
        _check_signature(identity, key.signing_secret, call.now)
    if identity.user_id and identity.anonymous_id:
        _link(call, identity.anonymous_id, identity.user_id)
    uid = identity.user_id or f"anon_{identity.anonymous_id or _ANONYMOUS}"
    expires = call.now + call.session_lifetime
    token = tokens.mint(token_secret(call.database), uid, key.id, expires)
    return Answer(200, {"token": token, "expires_at": times.whole_second(expires), "uid": uid})


def _check_signature(identity: _Identity, secret: str, now: float) -> None:
    if not identity.user_id_sig or identity.user_id_ts is None:
        raise refuse(403, "This key requires a signed user_id: send user_id_sig and user_id_ts.")
    message = f"{identity.user_id}|{identity.user_id_ts}".encode()
    expected = hmac.new(bytes.fromhex(secret), message, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), identity.user_id_sig.encode()):
        raise refuse(403, "The signature of user_id is wrong.")
    if abs(now - identity.user_id_ts) > SIGNATURE_TOLERANCE:
        raise refuse(403, "The signature of user_id is too old, or from the future.")


def _link(call: Call, anonymous_id: str, user_id: str) -> None:
    with call.database.transaction() as connection:
        aliases.link(connection, aliases.PREFIX + anonymous_id, user_id, times.from_unix(call.now))
