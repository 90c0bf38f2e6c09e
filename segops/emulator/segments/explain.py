"""Explain why a user is in a segment, and what one more event would change."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import msgspec

from segops.emulator import aliases
from segops.emulator.database import Database
from segops.emulator.segments.compiler import DAY, Test, explain_statement
from segops.emulator.segments.definition import (
    Comparing,
    EventCount,
    EventProperty,
    EventSequence,
    Group,
    Monetary,
    Recency,
    SegmentMembership,
    load_definition,
)
from segops.emulator.segments.evaluate import rows

_SIGNS = {
    "eq": "=",
    "neq": "≠",
    "gt": ">",
    "gte": "≥",
    "lt": "<",
    "lte": "≤",
    "does_not_contain": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "matches_regex": "matches",
    "not_in": "not in",
}
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WORDS = {"is_set": "is set", "is_not_set": "is not set", "is_true": "is true", "is_false": "is false"}


class Explanation(msgspec.Struct, frozen=True):
    """How a user fares against one condition.

    Attributes:
        index: The index of the condition in order of definition, counting those of nested groups.
        type: The type of the condition.
        label: A readable form of the condition, such as "sum(order_placed.total) ≥ 250".
        actual_value: The user's value, or null.
        threshold: The value that it is compared with.
        matches: Whether the user matches the condition.
    """

    index: int
    type: str
    label: str
    actual_value: Any
    threshold: Any
    matches: bool

    def __repr__(self) -> str:
        """Omit personal data."""
        return f"Explanation({self.index}, {self.type!r}, matches={self.matches})"


def explain_user(database: Database, segment_id: int, user_id: str, now: float) -> list[Explanation] | None:
    """Return how a user fares against each condition of a segment, in order of definition.

    `user_id` may be an alias. Return None if the segment does not exist or the user has no events.

    Raises:
        HTTPError: 503; it took too long.
    """
    with database.transaction() as connection:
        found = connection.execute("SELECT definition FROM segments WHERE id = ?", (segment_id,)).fetchone()
        if found is None:
            return None
        row = _evaluate(connection, load_definition(found[0]), user_id, now)
    return None if row is None else row[1]


def would_change(
    database: Database, insert: Callable[[sqlite3.Connection], str], now: float
) -> tuple[list[tuple[int, str]], list[tuple[int, str]], int]:
    """Return which active segments a user would enter or leave after a change, which is rolled back.

    `insert` makes the change, and returns the id of the user or an alias. The result is the id and name of the segments
    entered and of those exited, and the number of other segments. Both sides are evaluated now, without stored members.

    Raises:
        HTTPError: 503; it took too long.
    """
    with database.transaction() as connection:
        segments = connection.execute(
            "SELECT id, name, definition FROM segments WHERE is_active ORDER BY id"
        ).fetchall()
        with _undone(connection):
            user_id = insert(connection)
            after = [_matches(connection, definition, user_id, now) for *_, definition in segments]
        before = [_matches(connection, definition, user_id, now) for *_, definition in segments]
    changes = list(zip(segments, before, after, strict=True))
    entered = [(segment_id, name) for (segment_id, name, _), was, will in changes if will and not was]
    exited = [(segment_id, name) for (segment_id, name, _), was, will in changes if was and not will]
    return entered, exited, len(segments) - len(entered) - len(exited)


@contextmanager
def _undone(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("SAVEPOINT undone")
    try:
        yield
    finally:
        connection.execute("ROLLBACK TO undone")
        connection.execute("RELEASE undone")


def _matches(connection: sqlite3.Connection, definition: str, user_id: str, now: float) -> bool:
    row = _evaluate(connection, load_definition(definition), user_id, now)
    return row is not None and row[0]


def _evaluate(
    connection: sqlite3.Connection, group: Group, user_id: str, now: float
) -> tuple[bool, list[Explanation]] | None:
    statement = explain_statement(group, now, aliases.resolve(connection, user_id))
    for matches, *cells in rows(connection, statement):
        pairs = zip(statement.tests, cells[::2], cells[1::2], strict=True)
        return bool(matches), [_explanation(index, *pair, now) for index, pair in enumerate(pairs)]
    return None


def _explanation(index: int, test: Test, cell: Any, matches: Any, now: float) -> Explanation:
    condition = test.condition
    condition_type = str(condition.__struct_config__.tag)
    return Explanation(
        index, condition_type, _label(condition), _actual(condition, cell, now), _threshold(condition), bool(matches)
    )


def _actual(condition: Any, cell: Any, now: float) -> Any:
    if isinstance(condition, Recency):
        return None if cell is None else max(0, math.floor((now - _unix(cell)) / DAY))
    if isinstance(condition, Comparing):
        return None if cell is None else _property(cell, condition.property)
    if isinstance(condition, SegmentMembership):
        return bool(cell)
    return cell


def _threshold(condition: Any) -> Any:
    if isinstance(condition, Recency):
        return condition.window_days
    if isinstance(condition, EventSequence):
        return len(condition.events)
    if isinstance(condition, SegmentMembership):
        return condition.segment_id
    if condition.operator in _WORDS:
        return None
    if condition.operator in ("between", "not_between"):
        return [condition.value, condition.value2]
    return condition.value


def _label(condition: Any) -> str:
    if isinstance(condition, EventSequence):
        events = " → ".join(condition.events)
        return f"{'strictly ' if condition.strict else ''}{events} in {condition.window_days:g} days"
    if isinstance(condition, SegmentMembership):
        return f"{'in' if condition.operator == 'in' else 'not in'} segment {condition.segment_id}"
    if isinstance(condition, Recency):
        return f"days since {condition.event_type} {_SIGNS[condition.operator]} {condition.window_days:g}"
    if isinstance(condition, Comparing):
        return f"{_subject(condition)} {_comparison(condition)}"
    within = "" if condition.window_days is None else f" in {condition.window_days:g} days"
    return f"{_subject(condition)} {_SIGNS[condition.operator]} {_text(condition.value)}{within}"


def _subject(condition: Any) -> str:
    if isinstance(condition, EventCount):
        return f"count({condition.event_type})"
    if isinstance(condition, Monetary):
        prefix = "" if condition.event_type is None else f"{condition.event_type}."
        return f"{condition.metric}({prefix}{condition.property})"
    prefix = condition.event_type if isinstance(condition, EventProperty) else "user"
    return f"{prefix}.{condition.property}"


def _comparison(condition: Comparing) -> str:
    operator = condition.operator
    if operator in _WORDS:
        return _WORDS[operator]
    if operator in ("between", "not_between"):
        between = f"between {_text(condition.value)} and {_text(condition.value2)}"
        return between if operator == "between" else f"not {between}"
    return f"{_SIGNS.get(operator, operator)} {_text(condition.value)}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _unix(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()


def _property(payload: str, name: str) -> msgspec.Raw | None:
    """Return a property as the JSON that was sent, because not every number or text could be encoded again."""
    try:
        return _members.decode(payload).get(name)
    except (msgspec.DecodeError, RecursionError):  # SQLite reads some JSON that msgspec does not
        return None
