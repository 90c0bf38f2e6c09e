"""Sessions: exchange a public key for a session token that is bound to one user."""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from segops.core import SESSION_PATH
from segops.emulator import aliases, times, tokens
from segops.emulator.auth import token_secret
from segops.emulator.bodies import parse
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import OPENERS, RequestContext, Route
from segops.emulator.unknown_fields import reject_unknown_fields

SIGNATURE_TOLERANCE = 300.0
"""Maximum difference between the time of a signature and the clock, in seconds."""

_ANONYMOUS = "anonymous"


class _Identity(msgspec.Struct):
    """The user of a session. Absent, null, and empty values are equivalent."""

    user_id: str | None = None
    anonymous_id: str | None = None
    user_id_sig: str | None = None
    user_id_ts: int | None = None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_identity = msgspec.json.Decoder(_Identity)


def open_session(request: RequestContext) -> ApiResponse:
    """Mint a session token."""
    key = request.caller.key
    if not key.admits(request.headers.get("origin")):
        raise HTTPError(403, "This origin is not on the allowlist of the key.")
    try:
        members = parse(request.body, _members)
        reject_unknown_fields(members, _Identity.__struct_fields__)
        identity = parse(request.body, _identity)
    except msgspec.ValidationError as error:
        raise HTTPError(400, str(error)) from None
    if key.require_signature and identity.user_id:
        _check_signature(identity, key.signing_secret, request.now)
    if identity.user_id and identity.anonymous_id:
        _link(request, identity.anonymous_id, identity.user_id)
    uid = identity.user_id or f"anon_{identity.anonymous_id or _ANONYMOUS}"
    expires = request.now + request.session_lifetime
    token = tokens.mint(token_secret(request.database), uid, key.id, expires)
    return ApiResponse(200, {"token": token, "expires_at": times.whole_second(expires), "uid": uid})


def _check_signature(identity: _Identity, secret: str, now: float) -> None:
    if not identity.user_id_sig or identity.user_id_ts is None:
        raise HTTPError(403, "This key requires a signed user_id: send user_id_sig and user_id_ts.")
    message = f"{identity.user_id}|{identity.user_id_ts}".encode()
    expected = hmac.new(bytes.fromhex(secret), message, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), identity.user_id_sig.encode()):
        raise HTTPError(403, "The signature of user_id is wrong.")
    if abs(now - identity.user_id_ts) > SIGNATURE_TOLERANCE:
        raise HTTPError(403, "The signature of user_id is too old, or from the future.")


def _link(request: RequestContext, anonymous_id: str, user_id: str) -> None:
    with request.database.transaction() as connection:
        aliases.link(connection, aliases.PREFIX + anonymous_id, user_id, times.from_unix(request.now))


TABLES = ()
ROUTES = (Route("POST", SESSION_PATH, OPENERS, open_session, None),)
