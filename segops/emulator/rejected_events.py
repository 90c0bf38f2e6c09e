"""Record the last 10,000 rejected events, with reasons, for the page of `segops dev`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

KEPT = 10_000
"""How many rejected events are kept."""

_MAX_TEXT = 4000

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


class Rejection(msgspec.Struct, frozen=True):
    """An event that was not stored.

    Attributes:
        reason: What is wrong with it.
        body: Its JSON text, of which the first 4,000 characters are kept.
    """

    reason: str
    body: str

    def __repr__(self) -> str:
        """Omit personal data."""
        return f"Rejection({len(self.body)} characters)"


def record(connection: sqlite3.Connection, rejections: Sequence[Rejection], received_at: str, key_id: int) -> None:
    """Store rejected events in order of arrival, and delete the oldest above the limit."""
    rows = [(received_at, each.reason, each.body[:_MAX_TEXT], key_id) for each in rejections]
    connection.executemany(_INSERT, rows)
    connection.execute("DELETE FROM skipped_events WHERE id <= (SELECT max(id) FROM skipped_events) - ?", (KEPT,))
