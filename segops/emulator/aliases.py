"""Resolve user ids that are aliases of others.

The links are flat: none leads to an id that is itself an alias, so one look-up resolves any id.
"""

from __future__ import annotations

import sqlite3

PREFIX = "anon_"
"""Prefix of a visitor's anonymous id where a user id is expected."""

TABLES = (
    # An id that identifies nobody yet must not be linked: that would block the real identification.
    """
    CREATE TABLE aliases (
        alias TEXT PRIMARY KEY,
        user_id TEXT NOT NULL CHECK (user_id NOT IN ('', 'anonymous', alias)),
        created_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX aliases_by_user ON aliases (user_id)",
)


def is_identity(user_id: str) -> bool:
    """Return whether an id identifies somebody, unlike "anonymous"."""
    return user_id not in {"", "anonymous"}


def resolve(connection: sqlite3.Connection, user_id: str) -> str:
    """Return the user behind an id, which is the id itself unless it is an alias."""
    row = connection.execute("SELECT user_id FROM aliases WHERE alias = ?", (user_id,)).fetchone()
    return str(row[0]) if row else user_id


def link(connection: sqlite3.Connection, alias: str, user_id: str, created_at: str) -> bool:
    """Link an alias to a user, and return whether the link is new.

    The first identification wins, so an existing link stays. Links to nobody, to the visitor's own id, or back to the
    alias are ignored.
    """
    target = resolve(connection, user_id)
    if not is_identity(user_id) or alias in {target, PREFIX + user_id}:
        return False
    if connection.execute("SELECT 1 FROM aliases WHERE alias = ?", (alias,)).fetchone():
        return False
    override(connection, alias, target, created_at)
    return True


def override(connection: sqlite3.Connection, alias: str, target: str, created_at: str) -> None:
    """Link an alias to a user, replacing any link. `target` must be resolved and differ from `alias`."""
    connection.execute("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?)", (alias, target, created_at))
    connection.execute("UPDATE aliases SET user_id = ? WHERE user_id = ?", (target, alias))
