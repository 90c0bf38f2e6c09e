"""The tables of a local SegOps."""

from __future__ import annotations

APPLICATION_ID = 0x5E60B5
"""Marks a file as ours (`PRAGMA application_id`)."""

VERSION = 1
"""The format of the tables (`PRAGMA user_version`)."""

TABLES = (
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """
    CREATE TABLE api_keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL CHECK (kind IN ('secret', 'public')),
        key TEXT NOT NULL UNIQUE,
        signing_secret TEXT NOT NULL,
        require_signature INTEGER NOT NULL,
        origins TEXT NOT NULL,
        revoked INTEGER NOT NULL DEFAULT 0
    )
    """,
    # json_valid also refuses what SQLite itself could not read back: it has a nesting limit of its own.
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        occurred_at TEXT NOT NULL,
        received_at TEXT NOT NULL,
        payload TEXT NOT NULL CHECK (json_valid(payload)),
        anonymous_id TEXT,
        bot_class TEXT NOT NULL DEFAULT 'human'
    )
    """,
    # An id that stands for nobody yet is no identification: such an edge would block, or mix up, the real one.
    """
    CREATE TABLE aliases (
        alias TEXT PRIMARY KEY,
        user_id TEXT NOT NULL CHECK (user_id NOT IN ('', 'anonymous', alias, substr(alias, 6))),
        created_at TEXT NOT NULL
    )
    """,
)
