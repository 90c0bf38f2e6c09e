"""API keys: made, found and revoked.

They are stored as they are, because a developer must be able to read them again.
Source: wire-protocol.md, section 1.2.
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
_COLUMNS = "id, kind, key, signing_secret, require_signature, origins"


class ApiKey(msgspec.Struct, frozen=True):
    """An API key of the local SegOps.

    Attributes:
        id: Its number.
        kind: "secret" or "public".
        key: The key itself.
        signing_secret: The hex text that signs user ids; empty for a secret key.
        require_signature: Whether a session for a user needs a signature.
        origins: The origins that sessions may be asked from; empty for any. "https://*.example.org" stands for one
            level of subdomains.
    """

    id: int
    kind: Kind
    key: str
    signing_secret: str
    require_signature: bool
    origins: tuple[str, ...]

    def __repr__(self) -> str:
        """Show no key and no secret."""
        return f"ApiKey(id={self.id}, kind={self.kind!r})"

    def admits(self, origin: str | None) -> bool:
        """Tell whether a request with this `Origin` header may use the key."""
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
    """Make a key, of random text where none is given.

    Raises:
        SegOpsConfigError: The kind, prefix, signing secret or an origin is not valid, or the key exists.
    """
    if kind not in _PREFIXES:
        raise SegOpsConfigError(f"there is no key of kind {kind!r}: use 'secret' or 'public'")
    if key is None:
        key = f"{_PREFIXES[kind]}test_{secrets.token_hex(16)}"
    elif not key.startswith(_PREFIXES[kind]) or not key.isprintable() or not key.isascii():
        raise SegOpsConfigError(f"a {kind} key is printable ASCII text that starts with {_PREFIXES[kind]}")
    allowed = tuple(_check_origin(origin) for origin in origins)
    if kind == "public":
        signing_secret = secrets.token_hex(32) if signing_secret is None else _check_hex(signing_secret)
    row = (kind, key, signing_secret or "", require_signature, msgspec.json.encode(allowed).decode())
    with database.transaction() as connection:
        if connection.execute("SELECT 1 FROM api_keys WHERE key = ?", (key,)).fetchone():
            raise SegOpsConfigError("this key exists already, perhaps revoked: choose another")
        connection.execute(
            "INSERT INTO api_keys (kind, key, signing_secret, require_signature, origins) VALUES (?, ?, ?, ?, ?)", row
        )
    return find(database, "key", key)[0]


def find(database: Database, column: Literal["id", "kind", "key"], value: object) -> list[ApiKey]:
    """Return the keys that have `value` in `column` and are not revoked, oldest first."""
    rows = database.query(
        f"SELECT {_COLUMNS} FROM api_keys WHERE {column} = ? AND NOT revoked ORDER BY id",  # noqa: S608 - no user text
        (value,),
    )
    return [
        ApiKey(number, kind, key, secret, bool(required), msgspec.json.decode(origins, type=tuple[str, ...]))
        for number, kind, key, secret, required, origins in rows
    ]


def ensure(database: Database, kind: Kind, key: str | None, signing_secret: str | None = None) -> ApiKey:
    """Return the given key, or the oldest of its kind; make it if it does not exist.

    Raises:
        SegOpsConfigError: As `create`; or the key has another signing secret than the given one.
    """
    known = [each for each in find(database, "kind", kind) if key in (None, each.key)]
    if not known:
        return create(database, kind, key=key, signing_secret=signing_secret)
    if signing_secret is not None and known[0].signing_secret != signing_secret:
        raise SegOpsConfigError("the database holds another signing secret for this key: leave signing_secret out")
    return known[0]


def revoke(database: Database, key: str) -> None:
    """Make a key unusable from now on, and with it the session tokens that it minted.

    Raises:
        SegOpsConfigError: There is no such key.
    """
    with database.transaction() as connection:
        if not connection.execute("UPDATE api_keys SET revoked = 1 WHERE key = ?", (key,)).rowcount:
            raise SegOpsConfigError("there is no such key to revoke")


def _check_hex(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError:
        raise SegOpsConfigError("a signing secret is hex text of an even number of digits") from None
    return text


def _check_origin(origin: str) -> str:
    if not _ORIGIN.fullmatch(origin.lower()):
        raise SegOpsConfigError(f"{origin!r} is not an origin: write https://shop.example.org or https://*.example.org")
    return origin.lower()


def _pattern(entry: str) -> re.Pattern[str]:
    return re.compile(re.escape(entry).replace(r"\*", "[a-z0-9-]+", 1))
