"""The tables of a local SegOps."""

from __future__ import annotations

from segops.emulator import skips
from segops.emulator.resources.tables import RESOURCE_TABLES
from segops.emulator.segments import tables as segments

APPLICATION_ID = 0x5E60B5
"""Marks a file as ours (`PRAGMA application_id`)."""

VERSION = 2
"""The format of the tables (`PRAGMA user_version`)."""

TABLES = (
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
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
        bot_class TEXT NOT NULL DEFAULT 'human',
        key_id INTEGER
    )
    """,
    # An id that stands for nobody yet is no identification: such an edge would block, or mix up, the real one.
    """
    CREATE TABLE aliases (
        alias TEXT PRIMARY KEY,
        user_id TEXT NOT NULL CHECK (user_id NOT IN ('', 'anonymous', alias)),
        created_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE products (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        sku TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        data TEXT NOT NULL CHECK (json_valid(data)),
        source TEXT NOT NULL CHECK (source IN ('csv', 'api')),
        ai_readability_score REAL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    # Every event with the person whose it is; edges are flat, so one step is enough.
    """
    CREATE VIEW activity AS
    SELECT
        events.id, coalesce(aliases.user_id, events.user_id) AS user_id, events.event_type, events.occurred_at,
        events.received_at, events.payload, events.user_id AS sent_user_id, events.anonymous_id
    FROM events LEFT JOIN aliases ON aliases.alias = events.user_id
    """,
    "CREATE INDEX events_by_user ON events (user_id)",
    "CREATE INDEX aliases_by_user ON aliases (user_id)",
    *skips.TABLES,
    *segments.TABLES,
    *RESOURCE_TABLES,
)
