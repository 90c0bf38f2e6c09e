"""Compile a definition to a single SQL statement over the events, grouped by user. Every value is bound.

Each condition compiles to a value per user and a test of that value. Membership and `explain` use the same values and
tests.
"""

# ruff: noqa: S608 - SQL is what this module makes; its parts come from fixed tables, every value is bound

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.segments.definition import (
    Condition,
    EventCount,
    EventProperty,
    EventSequence,
    Group,
    Monetary,
    Recency,
    SegmentMembership,
    UserProperty,
)
from segops.emulator.segments.operators import COMPARISONS, Bindings, number_of, property_test

DAY = 86_400.0
"""A day, in seconds."""

DECIMALS = 6
"""Decimal places to which sums and averages are rounded before they are compared."""

_KEY_LENGTH = 27  # of an event's time

_SOURCE = "activity"

_OF_USER = """(
    SELECT * FROM activity WHERE user_id = {0} AND sent_user_id IN (
        SELECT {0} UNION SELECT alias FROM aliases WHERE user_id = {0}
    )
)"""


class Test(msgspec.Struct, frozen=True):
    """One condition as SQL.

    Attributes:
        condition: The condition.
        value: SQL of the user's value that `explain` shows.
        matches: SQL that is 1 if the user matches the condition, otherwise 0.
    """

    condition: Any
    value: str
    matches: str


class Statement(msgspec.Struct, frozen=True):
    """An SQL statement and its values.

    Attributes:
        sql: The statement, with placeholders such as `:p1`.
        values: The bound values, by the name of the placeholder.
        tests: The conditions, in order of definition.
    """

    sql: str
    values: dict[str, object]
    tests: tuple[Test, ...]


def members_statement(group: Group, now: float) -> Statement:
    """Return the statement that selects the users who match a definition, ordered by id."""
    compiler = _Compiler(now, None)
    where = compiler.group(group)
    return compiler.statement(f"SELECT user_id FROM users WHERE {where} ORDER BY user_id")


def explain_statement(group: Group, now: float, user_id: str) -> Statement:
    """Return the statement that selects how a user fares against a definition.

    Its row contains whether the user matches the definition, then the value and the test of each condition. There is
    no row for a user without events.
    """
    compiler = _Compiler(now, user_id)
    where = compiler.group(group)
    columns = [where, *(column for test in compiler.tests for column in (test.value, test.matches))]
    return compiler.statement(f"SELECT {', '.join(columns)} FROM users")


def members_of(segment_id: int, bind: Bindings) -> str:
    """Return SQL that selects the members of a segment as last computed, including users merged since then."""
    return (
        "SELECT coalesce(aliases.user_id, segment_members.user_id) FROM segment_members "
        f"LEFT JOIN aliases ON aliases.alias = segment_members.user_id WHERE segment_id = {bind(segment_id)}"
    )


class _Compiler:
    def __init__(self, now: float, user_id: str | None) -> None:
        self.tests: list[Test] = []
        self._now = now
        self._bind = Bindings()
        self._source = _SOURCE if user_id is None else _OF_USER.format(self._bind(user_id))
        self._columns: list[str] = []
        self._tables: list[str] = []

    def statement(self, select: str) -> Statement:
        columns = "".join(f",\n    {sql} AS v{index}" for index, sql in enumerate(self._columns))
        users = f"users AS (\n  SELECT user_id{columns}\n  FROM {self._source} GROUP BY user_id\n)"
        return Statement(f"WITH {', '.join([users, *self._tables])}\n{select}", self._bind.values, tuple(self.tests))

    def group(self, group: Group) -> str:
        parts = [self.group(node) if isinstance(node, Group) else self._test(node) for node in group.conditions]
        return f"({f' {group.logic} '.join(parts)})" if parts else "0"

    def _test(self, condition: Condition) -> str:
        test = Test(condition, *_COMPILERS[type(condition)](self, condition))
        self.tests.append(test)
        return test.matches

    def _column(self, sql: str) -> str:
        self._columns.append(sql)
        return f"users.v{len(self._columns) - 1}"

    def _event_filter(self, event_type: str | None, window_days: float | None) -> str:
        """Return SQL that is true for events of a type within a window."""
        tests = [] if event_type is None else [f"event_type = {self._bind(event_type)}"]
        if window_days is not None:
            tests.append(f"occurred_at >= {self._ago(window_days)}")
        return " AND ".join(tests) or "1"

    def _ago(self, days: float) -> str:
        return self._bind(times.from_unix(self._now - days * DAY))

    def event_count(self, condition: EventCount) -> tuple[str, str]:
        event_filter = self._event_filter(condition.event_type, condition.window_days)
        value = self._column(f"count(CASE WHEN {event_filter} THEN 1 END)")
        return value, f"{value} {COMPARISONS[condition.operator]} {self._bind(condition.value)}"

    def recency(self, condition: Recency) -> tuple[str, str]:
        value = self._column(f"max(CASE WHEN {self._event_filter(condition.event_type, None)} THEN occurred_at END)")
        days = condition.window_days
        if condition.operator == "gt":  # more whole days than this have passed
            return value, f"({value} IS NULL OR {value} <= {self._ago(math.floor(days) + 1)})"
        if condition.operator == "lt":
            return value, f"({value} IS NOT NULL AND {value} > {self._ago(math.ceil(days))})"
        if days != math.floor(days):
            return value, "0"
        first, last = self._ago(days + 1), self._ago(days)
        return value, f"({value} IS NOT NULL AND {value} > {first} AND {value} <= {last})"

    def monetary(self, condition: Monetary) -> tuple[str, str]:
        event_filter = self._event_filter(condition.event_type, condition.window_days)
        number = number_of("payload", condition.property, self._bind)
        each = f"CASE WHEN {event_filter} THEN {number} END"
        if condition.metric == "max":
            value, threshold = self._column(f"max({each})"), self._bind(condition.value)
        else:
            aggregate = "total" if condition.metric == "sum" else "avg"
            value = self._column(f"round({aggregate}({each}), {DECIMALS})")
            threshold = f"round({self._bind(condition.value)}, {DECIMALS})"
        missing = int(condition.operator == "neq")
        return value, f"coalesce({value} {COMPARISONS[condition.operator]} {threshold}, {missing})"

    def property(self, condition: EventProperty | UserProperty) -> tuple[str, str]:
        event_filter = self._event_filter(condition.event_type, None)
        key = self._column(f"max(CASE WHEN {event_filter} THEN occurred_at || printf('%019d', id) END)")
        value = f"(SELECT payload FROM events WHERE id = CAST(substr({key}, {_KEY_LENGTH + 1}) AS INTEGER))"
        return value, property_test(value, condition.property, condition, self._bind)

    def event_sequence(self, condition: EventSequence) -> tuple[str, str]:
        name = f"sequence_{len(self.tests)}"
        events = [self._bind(event_type) for event_type in condition.events]
        window = f"FROM {self._source} WHERE occurred_at >= {self._ago(condition.window_days)}"
        build = _strict_sequence if condition.strict else _sequence
        self._tables += build(name, window, events)
        value = f"coalesce((SELECT steps FROM {name} WHERE {name}.user_id = users.user_id), 0)"
        return value, f"users.user_id IN (SELECT user_id FROM {name} WHERE steps = {len(events)})"

    def segment_membership(self, condition: SegmentMembership) -> tuple[str, str]:
        members = members_of(condition.segment_id, self._bind)
        value = f"users.user_id IN ({members})"
        return value, value if condition.operator == "in" else f"NOT {value}"


def _sequence(name: str, window: str, events: list[str]) -> list[str]:
    """Return the tables that find the first occurrence of each event of a sequence after the previous one."""
    places = (
        f"{name}_all AS (\n  SELECT user_id, event_type, "
        "row_number() OVER (PARTITION BY user_id ORDER BY occurred_at, id) AS place\n"
        f"  {window} AND event_type IN ({', '.join(events)})\n)"
    )
    tables = [places]
    for step, event in enumerate(events, 1):
        before = (
            f" JOIN {name}_{step - 1} AS before ON before.user_id = each.user_id AND each.place > before.place"
            if step > 1
            else ""
        )
        tables.append(
            f"{name}_{step} AS (\n  SELECT each.user_id, min(each.place) AS place FROM {name}_all AS each{before}\n"
            f"  WHERE each.event_type = {event} GROUP BY each.user_id\n)"
        )
    steps = " UNION ALL ".join(
        f"SELECT user_id, {step} AS step FROM {name}_{step}" for step in range(1, len(events) + 1)
    )
    return [*tables, f"{name} AS (SELECT user_id, max(step) AS steps FROM ({steps}) GROUP BY user_id)"]


def _strict_sequence(name: str, window: str, events: list[str]) -> list[str]:
    """Return the tables that find a sequence of events without other events in between."""
    followers = ", ".join(
        f"lead(event_type, {distance}) OVER by_time AS e{distance}" for distance in range(1, len(events))
    )
    tests = [f"e{distance} = {event}" for distance, event in enumerate(events)]
    cases = " ".join(f"WHEN {' AND '.join(tests[:length])} THEN {length}" for length in range(len(events), 0, -1))
    columns = f"user_id, event_type AS e0{', ' if followers else ''}{followers}"
    ordered = "WINDOW by_time AS (PARTITION BY user_id ORDER BY occurred_at, id)"
    return [
        f"{name}_all AS (\n  SELECT {columns}\n  {window}\n  {ordered}\n)",
        f"{name} AS (SELECT user_id, max(CASE {cases} ELSE 0 END) AS steps FROM {name}_all GROUP BY user_id)",
    ]


_COMPILERS: dict[type, Callable[[_Compiler, Any], tuple[str, str]]] = {
    EventCount: _Compiler.event_count,
    Recency: _Compiler.recency,
    Monetary: _Compiler.monetary,
    EventProperty: _Compiler.property,
    UserProperty: _Compiler.property,
    EventSequence: _Compiler.event_sequence,
    SegmentMembership: _Compiler.segment_membership,
}
