"""The tables of all resources but segments and products."""

from __future__ import annotations

_CATALOGUE = (
    # One row: the schema of the tenant's products.
    """
    CREATE TABLE product_schema (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        fields TEXT NOT NULL,
        default_currency TEXT NOT NULL,
        default_locale TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE product_scores (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        product_id INTEGER NOT NULL UNIQUE,
        score REAL NOT NULL,
        dimension_scores TEXT NOT NULL,
        recommendations TEXT NOT NULL,
        scored_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE imports (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        filename TEXT NOT NULL,
        status TEXT NOT NULL,
        content TEXT NOT NULL,
        headers TEXT NOT NULL,
        total_rows INTEGER NOT NULL,
        suggested_mapping TEXT NOT NULL,
        suggested_schema TEXT NOT NULL,
        created INTEGER NOT NULL DEFAULT 0,
        updated INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        errors TEXT NOT NULL DEFAULT '[]',
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    # What each CSV column was last confirmed to be.
    "CREATE TABLE import_mappings (header TEXT PRIMARY KEY, target TEXT NOT NULL)",
    """
    CREATE TABLE event_schemas (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        event_type TEXT NOT NULL UNIQUE,
        properties TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
)

_ACTIVATIONS = (
    """
    CREATE TABLE activations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        segment INTEGER NOT NULL,
        connector_type TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('inactive', 'active', 'error')),
        config TEXT NOT NULL,
        last_synced_at TEXT,
        last_error TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    # The audience at the other end, as the connector knows it.
    """
    CREATE TABLE audience_members (
        activation_id INTEGER NOT NULL,
        user_id TEXT NOT NULL,
        PRIMARY KEY (activation_id, user_id)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        activation_id INTEGER NOT NULL,
        connector_type TEXT NOT NULL,
        action TEXT NOT NULL CHECK (action IN ('add', 'remove')),
        user_id TEXT NOT NULL,
        created_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE sync_logs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        activation_id INTEGER NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('success', 'error')),
        user_count INTEGER NOT NULL,
        added INTEGER NOT NULL,
        removed INTEGER NOT NULL,
        error_message TEXT,
        synced_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE webhooks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        url TEXT NOT NULL,
        secret TEXT NOT NULL,
        description TEXT NOT NULL,
        is_active INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE webhook_deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        webhook_id INTEGER NOT NULL,
        segment_id INTEGER NOT NULL,
        status_code INTEGER,
        error TEXT,
        payload TEXT NOT NULL,
        delivered_at TEXT NOT NULL
    )
    """,
)

_AI_REACH = (
    """
    CREATE TABLE ai_queries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        query_text TEXT NOT NULL UNIQUE,
        category TEXT NOT NULL,
        tags TEXT NOT NULL,
        providers TEXT NOT NULL,
        is_active INTEGER NOT NULL,
        schedule TEXT NOT NULL,
        last_run_at TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    # `query` is null for the results of a simulation.
    """
    CREATE TABLE ai_results (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        query INTEGER,
        provider TEXT NOT NULL,
        raw_response TEXT NOT NULL,
        mentioned_brands TEXT NOT NULL,
        mentioned_products TEXT NOT NULL,
        position INTEGER,
        sentiment REAL,
        is_simulated INTEGER NOT NULL,
        captured_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE competitors (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        domain TEXT NOT NULL,
        brand_aliases TEXT NOT NULL,
        is_active INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
)

_PAGES = (
    # `query` is the JSON of a number, a text or null.
    """
    CREATE TABLE pages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        slug TEXT NOT NULL UNIQUE,
        query TEXT NOT NULL,
        title TEXT NOT NULL,
        published INTEGER NOT NULL,
        builder_status TEXT NOT NULL CHECK (builder_status IN ('pending', 'built', 'published')),
        view_count INTEGER NOT NULL DEFAULT 0,
        last_ai_crawl_at TEXT,
        intro_copy TEXT NOT NULL,
        product_skus TEXT NOT NULL,
        template TEXT NOT NULL DEFAULT 'default',
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE page_crawls (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        page_id INTEGER NOT NULL,
        crawler TEXT NOT NULL,
        crawled_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE page_exports (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        page_id INTEGER NOT NULL,
        format TEXT NOT NULL CHECK (format IN ('html', 'tsx', 'json')),
        content BLOB NOT NULL,
        expires_at REAL NOT NULL
    )
    """,
    """
    CREATE TABLE page_jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        page_count INTEGER NOT NULL,
        created_at TEXT NOT NULL
    )
    """,
    # How often something was asked for within one minute.
    "CREATE TABLE rate_windows (name TEXT PRIMARY KEY, minute INTEGER NOT NULL, count INTEGER NOT NULL)",
)

RESOURCE_TABLES: tuple[str, ...] = (
    *_CATALOGUE,
    *_ACTIVATIONS,
    *_AI_REACH,
    *_PAGES,
)
