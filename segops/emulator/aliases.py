"""The edges from an id to the user that it stands for.

They are kept flat: no edge leads to an id that has an edge of its own. So one look-up resolves any id.
Source: wire-protocol.md, section 8.3.
"""

from __future__ import annotations

import sqlite3

PREFIX = "anon_"
"""Stands before the anonymous id of a visitor, where user ids are expected."""


def is_identity(user_id: str) -> bool:
    """Tell whether an id stands for somebody: "anonymous" does not."""
    return user_id not in {"", "anonymous"}


def resolve(connection: sqlite3.Connection, user_id: str) -> str:
    """Return the user that an id stands for; itself if it has no edge."""
    row = connection.execute("SELECT user_id FROM aliases WHERE alias = ?", (user_id,)).fetchone()
    return str(row[0]) if row else user_id


def link(connection: sqlite3.Connection, alias: str, user_id: str, created_at: str) -> bool:
    """Record an edge; tell whether it is new.

    The first identification wins: an edge that exists stays. One that says nothing (to nobody, to the visitor's own
    id), and one that would close a circle, is ignored.
    """
    target = resolve(connection, user_id)
    if not is_identity(user_id) or alias in {target, PREFIX + user_id}:
        return False
    if connection.execute("SELECT 1 FROM aliases WHERE alias = ?", (alias,)).fetchone():
        return False
    override(connection, alias, target, created_at)
    return True


def override(connection: sqlite3.Connection, alias: str, target: str, created_at: str) -> None:
    """Record an edge in place of one that may exist; `target` must be resolved and another id than `alias`."""
    connection.execute("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?)", (alias, target, created_at))
    connection.execute("UPDATE aliases SET user_id = ? WHERE user_id = ?", (target, alias))
