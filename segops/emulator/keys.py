"""Create, find, and revoke API keys.

Keys are stored in plain text, so that developers can read them later.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Literal

import msgspec

from segops.core import SegOpsConfigError
from segops.emulator.database import Database

Kind = Literal["secret", "public"]

_PREFIXES: dict[Kind, str] = {"secret": "sk_", "public": "pk_"}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\*\.)?[a-z0-9.-]+(:\d+)?")
TABLES = (
    """
    CREATE TABLE api_keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL DEFAULT '',
        kind TEXT NOT NULL CHECK (kind IN ('secret', 'public')),
        key TEXT NOT NULL UNIQUE,
        signing_secret TEXT NOT NULL,
        require_signature INTEGER NOT NULL,
        origins TEXT NOT NULL,
        revoked INTEGER NOT NULL DEFAULT 0
    )
    """,
)

_COLUMNS = "id, kind, key, signing_secret, require_signature, origins"


class ApiKey(msgspec.Struct, frozen=True):
    """An API key of the local SegOps.

    Attributes:
        id: Its id.
        kind: "secret" or "public".
        key: The key itself.
        signing_secret: The hex-encoded secret that signs user ids, or an empty string for a secret key.
        require_signature: Whether opening a session for a user requires a signature.
        origins: The origins that may open sessions, or an empty tuple for any. "https://*.example.org" matches one
            level of subdomains.
    """

    id: int
    kind: Kind
    key: str
    signing_secret: str
    require_signature: bool
    origins: tuple[str, ...]

    def __repr__(self) -> str:
        """Omit the key and its secret."""
        return f"ApiKey(id={self.id}, kind={self.kind!r})"

    def admits(self, origin: str | None) -> bool:
        """Return whether a request with this `Origin` header may use the key."""
        if not self.origins:
            return True
        return origin is not None and any(_pattern(entry).fullmatch(origin.lower()) for entry in self.origins)


def create(
    database: Database,
    kind: Kind,
    *,
    key: str | None = None,
    signing_secret: str | None = None,
    require_signature: bool = False,
    origins: Iterable[str] = (),
) -> ApiKey:
    """Create a key. Missing values are random.

    Raises:
        SegOpsConfigError: The kind, prefix, signing secret or an origin is not valid, or the key exists.
    """
    if kind not in _PREFIXES:
        raise SegOpsConfigError(f"unknown kind of API key {kind!r}: use 'secret' or 'public'")
    if key is None:
        key = f"{_PREFIXES[kind]}test_{secrets.token_hex(16)}"
    elif not key.startswith(_PREFIXES[kind]) or not key.isprintable() or not key.isascii():
        raise SegOpsConfigError(f"a {kind} key must be printable ASCII and start with {_PREFIXES[kind]}")
    allowed = tuple(_check_origin(origin) for origin in origins)
    if kind == "public":
        signing_secret = secrets.token_hex(32) if signing_secret is None else _check_hex(signing_secret)
    row = (kind, key, signing_secret or "", require_signature, msgspec.json.encode(allowed).decode())
    with database.transaction() as connection:
        if connection.execute("SELECT 1 FROM api_keys WHERE key = ?", (key,)).fetchone():
            raise SegOpsConfigError("this key already exists, perhaps revoked: choose another")
        connection.execute(
            "INSERT INTO api_keys (kind, key, signing_secret, require_signature, origins) VALUES (?, ?, ?, ?, ?)", row
        )
    return find(database, "key", key)[0]


def find(database: Database, column: Literal["id", "kind", "key"], value: object) -> list[ApiKey]:
    """Return the active keys that have `value` in `column`, oldest first."""
    rows = database.query(
        f"SELECT {_COLUMNS} FROM api_keys WHERE {column} = ? AND NOT revoked ORDER BY id",  # noqa: S608 - no user text
        (value,),
    )
    return [
        ApiKey(key_id, kind, key, secret, bool(required), msgspec.json.decode(origins, type=tuple[str, ...]))
        for key_id, kind, key, secret, required, origins in rows
    ]


def ensure(database: Database, kind: Kind, key: str | None, signing_secret: str | None = None) -> ApiKey:
    """Return a key, by default the oldest of its kind. Create it if it does not exist.

    Raises:
        SegOpsConfigError: As for `create`, or the key exists with another signing secret.
    """
    known = [each for each in find(database, "kind", kind) if key in (None, each.key)]
    if not known:
        return create(database, kind, key=key, signing_secret=signing_secret)
    if signing_secret is not None and known[0].signing_secret != signing_secret:
        raise SegOpsConfigError("the database has another signing secret for this key: omit signing_secret")
    return known[0]


def revoke(database: Database, key: str) -> None:
    """Revoke a key, and with it the session tokens that it minted.

    Raises:
        SegOpsConfigError: The key does not exist.
    """
    with database.transaction() as connection:
        if not connection.execute("UPDATE api_keys SET revoked = 1 WHERE key = ?", (key,)).rowcount:
            raise SegOpsConfigError("cannot revoke an API key that does not exist: check the key")


def _check_hex(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError:
        raise SegOpsConfigError("signing_secret must be hexadecimal, with an even number of digits") from None
    return text


def _check_origin(origin: str) -> str:
    if not _ORIGIN.fullmatch(origin.lower()):
        raise SegOpsConfigError(
            f"invalid origin {origin!r}: use the form https://shop.example.org or https://*.example.org"
        )
    return origin.lower()


def _pattern(entry: str) -> re.Pattern[str]:
    return re.compile(re.escape(entry).replace(r"\*", "[a-z0-9-]+", 1))
