"""Who is calling.

Source: wire-protocol.md, sections 1.2, 1.3 and 11 (point 2).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from segops.emulator import keys, tokens
from segops.emulator.answers import refuse
from segops.emulator.database import Database

CallerKind = Literal["secret", "public", "session", "user", "stranger"]

_CHALLENGE = {"www-authenticate": "ApiKey"}

_WRONG_KIND: dict[CallerKind, str] = {
    "secret": "A secret key cannot do this: use a public key (pk_) for a session, a login token for keys.",
    "public": "A public key can only open a session: exchange it for a session token at /api/auth/session/.",
    "session": "A session token can only send events.",
    "user": "A login token cannot do this: use an API key.",
}


class Caller(msgspec.Struct, frozen=True):
    """A caller whose credential is good.

    Attributes:
        kind: What the credential is; "user" for the token of a login.
        key: The key, or the one that minted the token; nothing can be done with the one of a user or a stranger.
        uid: The identity that a session token is locked to, or the e-mail address of a user.
    """

    kind: CallerKind
    key: keys.ApiKey
    uid: str | None = None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Caller({self.kind!r})"


STRANGER = Caller("stranger", keys.ApiKey(0, "public", "", "", require_signature=False, origins=()))
"""Whoever calls an endpoint that looks at no key."""


def authenticate(database: Database, authorization: str, now: float, admitted: frozenset[CallerKind]) -> Caller:
    """Return who calls.

    Args:
        database: Where the keys are.
        authorization: The value of the `Authorization` header; empty if there is none.
        now: The unix time.
        admitted: The kinds of caller that the endpoint serves.

    Raises:
        Refusal: 401 if the credential is missing, unknown, revoked, forged or expired; 403 if it may not do this.
    """
    if "stranger" in admitted:
        return STRANGER
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() == "apikey" and credential:
        caller = _by_key(database, credential)
    elif scheme.lower() == "bearer" and credential:
        caller = _by_token(database, credential, now)
    else:
        raise refuse(401, "Authentication credentials were not provided.", _CHALLENGE)
    if caller.kind not in admitted:
        raise refuse(403, _WRONG_KIND[caller.kind])
    return caller


def token_secret(database: Database) -> str:
    """Return the secret that signs session tokens; it is made on first use."""
    return database.setting("token_secret", tokens.new_secret)


def login_secret(database: Database, use: Literal["access", "refresh"]) -> str:
    """Return the secret that signs the tokens of a login; it is made on first use."""
    return database.setting(f"{use}_secret", tokens.new_secret)


def forget_token_secret(database: Database) -> None:
    """Make every session token minted so far a forged one."""
    with database.transaction() as connection:
        connection.execute("DELETE FROM settings WHERE name = 'token_secret'")


def _by_key(database: Database, credential: str) -> Caller:
    if credential.startswith("mk_"):
        raise refuse(403, "An MCP key (mk_) cannot be used here.")
    found = keys.find(database, "key", credential)
    if not found:
        raise refuse(401, "Invalid API key.", _CHALLENGE)
    return Caller(found[0].kind, found[0])


def _by_token(database: Database, credential: str, now: float) -> Caller:
    claims = tokens.read(token_secret(database), credential)
    if claims is None:
        return _by_login(database, credential, now)
    if now >= claims.exp:
        raise refuse(401, "The session token has expired.", _CHALLENGE)
    found = keys.find(database, "id", claims.key)
    if not found:
        raise refuse(401, "The key of this session token was revoked.", _CHALLENGE)
    return Caller("session", found[0], claims.uid)


def _by_login(database: Database, credential: str, now: float) -> Caller:
    claims = tokens.read(login_secret(database, "access"), credential)
    if claims is None:
        raise refuse(401, "Invalid session token.", _CHALLENGE)
    if now >= claims.exp:
        raise refuse(401, "The login token has expired.", _CHALLENGE)
    return Caller("user", STRANGER.key, claims.uid)
