"""Authenticate callers by API key, session token, or login token."""

from __future__ import annotations

from typing import Literal

import msgspec

from segops.emulator import keys, tokens
from segops.emulator.database import Database
from segops.emulator.responses import HTTPError

CallerType = Literal["secret", "public", "session", "user", "anyone"]

_CHALLENGE = {"www-authenticate": "ApiKey"}

_FORBIDDEN: dict[CallerType, str] = {
    "secret": "A secret key cannot do this: use a public key (pk_) for a session, a login token for keys.",
    "public": "A public key can only open a session: exchange it for a session token at /api/auth/session/.",
    "session": "A session token can only send events.",
    "user": "A login token cannot do this: use an API key.",
}


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller.

    Attributes:
        type: The type of credential. "user" means a login token, "anyone" that the endpoint checks no credential.
        key: The API key, or the one that minted the session token. An empty key for "user" and "anyone".
        uid: The user id that a session token is bound to, or the email address of a logged-in user.
    """

    type: CallerType
    key: keys.ApiKey
    uid: str | None = None

    def __repr__(self) -> str:
        """Omit personal data."""
        return f"Caller({self.type!r})"


ANONYMOUS = Caller("anyone", keys.ApiKey(0, "public", "", "", require_signature=False, origins=()))
"""The caller of an endpoint that checks no credential."""


def authenticate(database: Database, authorization: str, now: float, admitted: frozenset[CallerType]) -> Caller:
    """Return the caller of a request with an `Authorization` header, which may be empty.

    Raises:
        HTTPError: 401 if the credential is missing, unknown, revoked, forged, or expired. 403 if it is not admitted.
    """
    if "anyone" in admitted:
        return ANONYMOUS
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() == "apikey" and credential:
        caller = _by_key(database, credential)
    elif scheme.lower() == "bearer" and credential:
        caller = _by_token(database, credential, now)
    else:
        raise HTTPError(401, "Authentication credentials were not provided.", _CHALLENGE)
    if caller.type not in admitted:
        raise HTTPError(403, _FORBIDDEN[caller.type])
    return caller


def token_secret(database: Database) -> str:
    """Return the secret that signs session tokens, and create it on first use."""
    return database.setting("token_secret", tokens.new_secret)


def login_secret(database: Database, use: Literal["access", "refresh"]) -> str:
    """Return the secret that signs login tokens, and create it on first use."""
    return database.setting(f"{use}_secret", tokens.new_secret)


def forget_token_secret(database: Database) -> None:
    """Invalidate every session token minted so far."""
    with database.transaction() as connection:
        connection.execute("DELETE FROM settings WHERE name = 'token_secret'")


def _by_key(database: Database, credential: str) -> Caller:
    if credential.startswith("mk_"):
        raise HTTPError(403, "An MCP key (mk_) cannot be used here.")
    found = keys.find(database, "key", credential)
    if not found:
        raise HTTPError(401, "Invalid API key.", _CHALLENGE)
    return Caller(found[0].kind, found[0])


def _by_token(database: Database, credential: str, now: float) -> Caller:
    claims = tokens.read(token_secret(database), credential)
    if claims is None:
        return _by_login(database, credential, now)
    if now >= claims.exp:
        raise HTTPError(401, "The session token has expired.", _CHALLENGE)
    found = keys.find(database, "id", claims.key)
    if not found:
        raise HTTPError(401, "The key of this session token was revoked.", _CHALLENGE)
    return Caller("session", found[0], claims.uid)


def _by_login(database: Database, credential: str, now: float) -> Caller:
    claims = tokens.read(login_secret(database, "access"), credential)
    if claims is None:
        raise HTTPError(401, "Invalid session token.", _CHALLENGE)
    if now >= claims.exp:
        raise HTTPError(401, "The login token has expired.", _CHALLENGE)
    return Caller("user", ANONYMOUS.key, claims.uid)
