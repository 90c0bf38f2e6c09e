"""The members of a segment are computed and stored, and whoever asked is told.

Source: wire-protocol.md, sections 6.1 and 11 (point 10).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable

import msgspec

from segops.emulator import times
from segops.emulator.answers import Refusal
from segops.emulator.database import Database
from segops.emulator.segments.definition import load_definition
from segops.emulator.segments.evaluate import find_members
from segops.emulator.segments.product import recompute_products

_log = logging.getLogger("segops.emulator")


class Recomputed(msgspec.Struct, frozen=True):
    """A segment whose members have just been computed.

    Attributes:
        segment_id: The segment.
        segment_name: Its name.
        member_count: How many members it has now.
        computed_at: When, as "2027-01-05T09:30:00.123456Z".
        entered: Who was no member before, sorted.
        exited: Who is no member any more, sorted.
    """

    segment_id: int
    segment_name: str
    member_count: int
    computed_at: str
    entered: tuple[str, ...]
    exited: tuple[str, ...]

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Recomputed(segment_id={self.segment_id}, member_count={self.member_count})"


AfterRecompute = Callable[[Database, Recomputed], None]
"""Called when the members of a segment have been computed and stored; what it raises is logged, not passed on."""


def run_pending(database: Database, now: float, after: Iterable[AfterRecompute]) -> None:
    """Compute what is queued and due; what cannot be computed is logged and keeps its members."""
    for segment_id in _take_due(database, "segments", now):
        try:
            recompute(database, segment_id, now, after)
        except Refusal as refusal:
            _log.warning("segment %d was not computed: %s", segment_id, refusal.answer.body)
    for segment_id in _take_due(database, "product_segments", now):
        try:
            recompute_products(database, segment_id, now)
        except Refusal as refusal:
            _log.warning("product segment %d was not computed: %s", segment_id, refusal.answer.body)


def recompute(
    database: Database, segment_id: int, now: float, after: Iterable[AfterRecompute] = ()
) -> Recomputed | None:
    """Compute and store the members of a segment, then tell `after`; None if there is no such segment.

    Raises:
        Refusal: 503; it took too long. Nothing has changed.
    """
    with database.transaction() as connection:
        found = connection.execute("SELECT name, definition FROM segments WHERE id = ?", (segment_id,)).fetchone()
        if found is None:
            return None
        name, definition = found
        done = _store(
            connection, segment_id, name, set(find_members(connection, load_definition(definition), now)), now
        )
    for tell in after:
        try:
            tell(database, done)
        except Exception:  # noqa: BLE001 - whatever a hook does, the segment has been computed
            _log.exception("what follows the recompute of segment %d failed", segment_id)
    return done


def _store(connection: sqlite3.Connection, segment_id: int, name: str, members: set[str], now: float) -> Recomputed:
    computed_at = times.from_unix(now)
    rows = connection.execute("SELECT user_id FROM segment_members WHERE segment_id = ?", (segment_id,))
    before = {user_id for (user_id,) in rows}
    entered, exited = tuple(sorted(members - before)), tuple(sorted(before - members))
    connection.executemany(
        "DELETE FROM segment_members WHERE segment_id = ? AND user_id = ?", ((segment_id, each) for each in exited)
    )
    connection.executemany("INSERT INTO segment_members VALUES (?, ?)", ((segment_id, each) for each in entered))
    connection.execute(
        "UPDATE segments SET member_count = ?, last_computed_at = ? WHERE id = ?",
        (len(members), computed_at, segment_id),
    )
    connection.execute(
        "INSERT INTO segment_history (segment_id, computed_at, member_count) VALUES (?, ?, ?)",
        (segment_id, computed_at, len(members)),
    )
    return Recomputed(segment_id, name, len(members), computed_at, entered, exited)


def _take_due(database: Database, table: str, now: float) -> list[int]:
    """Return what is due and take it off the queue, so that another process does not compute it as well."""
    due = f"SELECT id FROM {table} WHERE compute_due_at <= ? ORDER BY compute_due_at, id"  # noqa: S608 - no user text
    if not database.query(due, (now,)):
        return []
    with database.transaction() as connection:
        taken = [number for (number,) in connection.execute(due, (now,)).fetchall()]
        connection.execute(f"UPDATE {table} SET compute_due_at = NULL WHERE compute_due_at <= ?", (now,))  # noqa: S608 - as above
    return taken
