"""Which events were refused, and why: the last 10,000, for whoever watches."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

KEPT = 10_000
"""How many are kept."""

_MOST_TEXT = 4000

_INSERT = "INSERT INTO skipped_events (received_at, reason, body, key_id) VALUES (?, ?, ?, ?)"

TABLES = (
    """
    CREATE TABLE skipped_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        received_at TEXT NOT NULL,
        reason TEXT NOT NULL,
        body TEXT NOT NULL,
        key_id INTEGER NOT NULL
    )
    """,
)


class Skip(msgspec.Struct, frozen=True):
    """An event that was not stored.

    Attributes:
        reason: What is wrong with it.
        body: What was sent, of which the first 4,000 characters are kept.
    """

    reason: str
    body: str

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Skip({len(self.body)} characters)"


def record(connection: sqlite3.Connection, skips: Sequence[Skip], received_at: str, key_id: int) -> None:
    """Write down what was refused, in the order of arrival, and forget what is too old."""
    rows = [(received_at, skip.reason, skip.body[:_MOST_TEXT], key_id) for skip in skips]
    connection.executemany(_INSERT, rows)
    connection.execute("DELETE FROM skipped_events WHERE id <= (SELECT max(id) FROM skipped_events) - ?", (KEPT,))
