"""The tables of segments and product segments."""

from __future__ import annotations

TABLES = (
    # When compute_due_at (unix seconds) is set, a computation is queued.
    """
    CREATE TABLE segments (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        definition TEXT NOT NULL,
        segment_type TEXT NOT NULL,
        is_active INTEGER NOT NULL,
        member_count INTEGER NOT NULL DEFAULT 0,
        last_computed_at TEXT,
        compute_due_at REAL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX segments_due ON segments (compute_due_at) WHERE compute_due_at IS NOT NULL",
    """
    CREATE TABLE segment_versions (
        segment_id INTEGER NOT NULL,
        version INTEGER NOT NULL,
        definition TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (segment_id, version)
    ) WITHOUT ROWID
    """,
    # Every saved definition is a version, whoever saves it.
    """
    CREATE TRIGGER segment_created AFTER INSERT ON segments BEGIN
        INSERT INTO segment_versions VALUES (NEW.id, 1, NEW.definition, NEW.updated_at);
    END
    """,
    """
    CREATE TRIGGER segment_changed AFTER UPDATE OF definition ON segments BEGIN
        INSERT INTO segment_versions
        SELECT NEW.id, max(version) + 1, NEW.definition, NEW.updated_at FROM segment_versions WHERE segment_id = NEW.id;
    END
    """,
    # All members of a segment were computed at its last_computed_at.
    """
    CREATE TABLE segment_members (
        segment_id INTEGER NOT NULL,
        user_id TEXT NOT NULL,
        PRIMARY KEY (segment_id, user_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX segment_members_by_user ON segment_members (user_id)",
    # One row for each recompute: how the number of members went over time.
    """
    CREATE TABLE segment_history (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        segment_id INTEGER NOT NULL,
        computed_at TEXT NOT NULL,
        member_count INTEGER NOT NULL
    )
    """,
    "CREATE INDEX segment_history_by_time ON segment_history (segment_id, computed_at)",
    """
    CREATE TABLE segment_exports (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        segment_id INTEGER NOT NULL,
        format TEXT NOT NULL CHECK (format IN ('csv', 'parquet')),
        ready_at REAL NOT NULL,
        expires_at REAL NOT NULL,
        content BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE product_segments (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        definition TEXT NOT NULL,
        computed_count INTEGER NOT NULL DEFAULT 0,
        last_computed_at TEXT,
        compute_due_at REAL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX product_segments_due ON product_segments (compute_due_at) WHERE compute_due_at IS NOT NULL",
    """
    CREATE TABLE product_segment_members (
        product_segment_id INTEGER NOT NULL,
        sku TEXT NOT NULL,
        PRIMARY KEY (product_segment_id, sku)
    ) WITHOUT ROWID
    """,
)
