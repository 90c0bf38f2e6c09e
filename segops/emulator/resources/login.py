"""The one user of a local SegOps logs in, and makes and revokes API keys.

Source: wire-protocol.md, section 1.5.
"""

from __future__ import annotations

import hmac
import secrets

import msgspec

from segops.core import SegOpsConfigError
from segops.emulator import keys, tokens
from segops.emulator.answers import Answer, invalid, no_content, refuse
from segops.emulator.auth import login_secret
from segops.emulator.call import Call
from segops.emulator.database import Database
from segops.emulator.resources.bodies import Field, Name, read_fields
from segops.emulator.resources.crud import number
from segops.emulator.resources.tenant import tenant_slug

EMAIL = "dev@segops.emulator"

ACCESS_SECONDS = 3600.0
REFRESH_SECONDS = 30 * 86_400.0

_CREDENTIALS = {"email": Field(Name), "password": Field(Name)}
_REFRESH = {"refresh": Field(str)}
_KEY = {
    "name": Field(Name),
    "tenant_slug": Field(Name | None, None),
    "kind": Field(keys.Kind, "secret"),
    "allowed_origins": Field(list[str], []),
    "require_signed_user_id": Field(bool, default=False),
}


class Login(msgspec.Struct, frozen=True):
    """The one user of a local SegOps."""

    email: str
    password: str

    def __repr__(self) -> str:
        """Show no password."""
        return f"Login({self.email!r})"


def ensure_login(database: Database) -> Login:
    """Return the user; the password is made on first use."""
    return Login(EMAIL, database.setting("login_password", lambda: secrets.token_urlsafe(12)))


def obtain(call: Call) -> Answer:
    """Log in: an e-mail address and a password for an access token (60 min) and a refresh token (30 days)."""
    given = read_fields(call, _CREDENTIALS)
    login = ensure_login(call.database)
    good = [given["email"].casefold() == login.email, _equal(given["password"], login.password)]
    if not all(good):
        raise refuse(401, "No active account found with the given credentials.")
    refresh = tokens.mint(login_secret(call.database, "refresh"), login.email, 0, call.now + REFRESH_SECONDS)
    return Answer(200, {"access": _access(call, login.email), "refresh": refresh})


def refresh(call: Call) -> Answer:
    """Get a new access token for a refresh token."""
    claims = tokens.read(login_secret(call.database, "refresh"), read_fields(call, _REFRESH)["refresh"])
    if claims is None or call.now >= claims.exp:
        raise refuse(401, "The refresh token is invalid or expired: log in again.")
    return Answer(200, {"access": _access(call, claims.uid)})


def create_key(call: Call) -> Answer:
    """Make an API key, secret or public; the answer is the only one that shows it."""
    given = read_fields(call, _KEY)
    slug = tenant_slug(call.database)
    if given["tenant_slug"] not in {None, slug}:
        raise invalid({"tenant_slug": [f"The only tenant here is {slug!r}."]})
    try:
        key = keys.create(
            call.database,
            given["kind"],
            require_signature=given["require_signed_user_id"],
            origins=given["allowed_origins"],
        )
    except SegOpsConfigError as error:
        raise invalid({"allowed_origins": [str(error)]}) from None
    with call.database.transaction() as connection:
        connection.execute("UPDATE api_keys SET name = ? WHERE id = ?", (given["name"], key.id))
    body = {"id": key.id, "name": given["name"], "key": key.key, "kind": key.kind}
    if key.kind == "public":
        body |= {
            "hmac_secret": key.signing_secret,
            "allowed_origins": key.origins,
            "require_signed_user_id": key.require_signature,
        }
    return Answer(201, body)


def revoke_key(call: Call) -> Answer:
    """Revoke an API key: it, and the session tokens that it minted, are refused from now on."""
    found = keys.find(call.database, "id", number(call))
    if not found:
        raise refuse(404, "Not found.")
    keys.revoke(call.database, found[0].key)
    return no_content()


def _access(call: Call, email: str) -> str:
    return tokens.mint(login_secret(call.database, "access"), email, 0, call.now + ACCESS_SECONDS)


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
