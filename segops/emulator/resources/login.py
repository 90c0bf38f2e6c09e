"""Login: the only user of a local SegOps logs in, creates API keys, and revokes them."""

from __future__ import annotations

import hmac
import secrets

import msgspec

from segops.core import SegOpsConfigError
from segops.emulator import keys, tokens
from segops.emulator.auth import login_secret
from segops.emulator.bodies import Field, Name, read_fields
from segops.emulator.database import Database
from segops.emulator.resources.tenant import tenant_slug
from segops.emulator.responses import ApiResponse, HTTPError, no_content
from segops.emulator.routing import ANYONE, USERS, RequestContext, Route, path_id

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
    """Credentials of the only user of a local SegOps."""

    email: str
    password: str

    def __repr__(self) -> str:
        """Omit the password."""
        return f"Login({self.email!r})"


def ensure_login(database: Database) -> Login:
    """Return the login, and create its password on first use."""
    return Login(EMAIL, database.setting("login_password", lambda: secrets.token_urlsafe(12)))


def obtain(request: RequestContext) -> ApiResponse:
    """Exchange an email address and a password for an access token (60 min) and a refresh token (30 days)."""
    values = read_fields(request, _CREDENTIALS)
    login = ensure_login(request.database)
    is_valid = [values["email"].casefold() == login.email, _equal(values["password"], login.password)]
    if not all(is_valid):
        raise HTTPError(401, "No active account found with the given credentials.")
    refresh = tokens.mint(login_secret(request.database, "refresh"), login.email, 0, request.now + REFRESH_SECONDS)
    return ApiResponse(200, {"access": _access(request, login.email), "refresh": refresh})


def refresh(request: RequestContext) -> ApiResponse:
    """Exchange a refresh token for a new access token."""
    claims = tokens.read(login_secret(request.database, "refresh"), read_fields(request, _REFRESH)["refresh"])
    if claims is None or request.now >= claims.exp:
        raise HTTPError(401, "The refresh token is invalid or expired: log in again.")
    return ApiResponse(200, {"access": _access(request, claims.uid)})


def create_key(request: RequestContext) -> ApiResponse:
    """Create a secret or public API key. Only this response shows it."""
    values = read_fields(request, _KEY)
    slug = tenant_slug(request.database)
    if values["tenant_slug"] not in {None, slug}:
        raise HTTPError(400, {"tenant_slug": [f"The only tenant here is {slug!r}."]})
    try:
        key = keys.create(
            request.database,
            values["kind"],
            require_signature=values["require_signed_user_id"],
            origins=values["allowed_origins"],
        )
    except SegOpsConfigError as error:
        raise HTTPError(400, {"allowed_origins": [str(error)]}) from None
    with request.database.transaction() as connection:
        connection.execute("UPDATE api_keys SET name = ? WHERE id = ?", (values["name"], key.id))
    body = {"id": key.id, "name": values["name"], "key": key.key, "kind": key.kind}
    if key.kind == "public":
        body |= {
            "hmac_secret": key.signing_secret,
            "allowed_origins": key.origins,
            "require_signed_user_id": key.require_signature,
        }
    return ApiResponse(201, body)


def revoke_key(request: RequestContext) -> ApiResponse:
    """Revoke an API key and the session tokens that it minted."""
    found = keys.find(request.database, "id", path_id(request))
    if not found:
        raise HTTPError(404)
    keys.revoke(request.database, found[0].key)
    return no_content()


def _access(request: RequestContext, email: str) -> str:
    return tokens.mint(login_secret(request.database, "access"), email, 0, request.now + ACCESS_SECONDS)


def _equal(actual: str, expected: str) -> bool:
    return hmac.compare_digest(actual.encode(errors="replace"), expected.encode())


TABLES = ()
ROUTES = (
    Route("POST", "/api/auth/token/", ANYONE, obtain),
    Route("POST", "/api/auth/token/refresh/", ANYONE, refresh),
    Route("POST", "/api/auth/api-keys/", USERS, create_key),
    Route("DELETE", "/api/auth/api-keys/<int:id>/", USERS, revoke_key),
)
