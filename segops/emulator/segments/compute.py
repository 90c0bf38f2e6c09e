"""Compute and store the members of segments."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable

import msgspec

from segops.emulator import times
from segops.emulator.database import Database
from segops.emulator.responses import HTTPError
from segops.emulator.segments.definition import load_definition
from segops.emulator.segments.evaluate import find_members
from segops.emulator.segments.products import recompute_products

_log = logging.getLogger("segops.emulator")


class Recomputed(msgspec.Struct, frozen=True):
    """A segment whose members have just been computed.

    Attributes:
        segment_id: The id of the segment.
        segment_name: Its name.
        member_count: Its current number of members.
        computed_at: The time of the computation, such as "2027-01-05T09:30:00.123456Z".
        entered: New members, sorted.
        exited: Former members, sorted.
    """

    segment_id: int
    segment_name: str
    member_count: int
    computed_at: str
    entered: tuple[str, ...]
    exited: tuple[str, ...]

    def __repr__(self) -> str:
        """Omit personal data."""
        return f"Recomputed(segment_id={self.segment_id}, member_count={self.member_count})"


AfterRecompute = Callable[[Database, Recomputed], None]
"""Called after the members of a segment were computed and stored. Exceptions are logged."""


def run_pending(database: Database, now: float, after: Iterable[AfterRecompute]) -> None:
    """Run the computations that are due. A segment that cannot be computed is logged and keeps its members."""
    for segment_id in _take_due(database, "segments", now):
        try:
            recompute(database, segment_id, now, after)
        except HTTPError as error:
            _log.warning("segment %d was not computed: %s", segment_id, error.response.body)
    for segment_id in _take_due(database, "product_segments", now):
        try:
            recompute_products(database, segment_id, now)
        except HTTPError as error:
            _log.warning("product segment %d was not computed: %s", segment_id, error.response.body)


def recompute(
    database: Database, segment_id: int, now: float, after: Iterable[AfterRecompute] = ()
) -> Recomputed | None:
    """Compute and store the members of a segment, then call `after`. Return None if the segment does not exist.

    Raises:
        HTTPError: 503; it took too long. Nothing was changed.
    """
    with database.transaction() as connection:
        found = connection.execute("SELECT name, definition FROM segments WHERE id = ?", (segment_id,)).fetchone()
        if found is None:
            return None
        name, definition = found
        done = _store(
            connection, segment_id, name, set(find_members(connection, load_definition(definition), now)), now
        )
    for hook in after:
        try:
            hook(database, done)
        except Exception:  # noqa: BLE001 - the segment has been computed, whatever a hook does
            _log.exception("a hook failed after the recompute of segment %d", segment_id)
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
    """Dequeue the computations that are due, so that no other process runs them as well."""
    due = f"SELECT id FROM {table} WHERE compute_due_at <= ? ORDER BY compute_due_at, id"  # noqa: S608 - no user text
    if not database.query(due, (now,)):
        return []
    with database.transaction() as connection:
        taken = [segment_id for (segment_id,) in connection.execute(due, (now,)).fetchall()]
        connection.execute(f"UPDATE {table} SET compute_due_at = NULL WHERE compute_due_at <= ?", (now,))  # noqa: S608 - as above
    return taken
