"""Statements are run: within a time limit, and with REGEXP."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from segops.emulator.answers import refuse
from segops.emulator.segments.compiler import Statement, members_statement
from segops.emulator.segments.definition import Group
from segops.emulator.segments.regex import Search

TIME_LIMIT = 30.0
"""How long the evaluation of one definition may take, in seconds of real time."""

_CHECK_EVERY = 10_000  # of SQLite's instructions: well under a millisecond


@contextmanager
def time_limit(connection: sqlite3.Connection, seconds: float = TIME_LIMIT) -> Iterator[None]:
    """Let REGEXP work, and let no statement of the block go on for longer than this.

    Raises:
        Refusal: 503; it took too long.
    """
    deadline = time.monotonic() + seconds
    search = Search(deadline)
    connection.create_function("regexp", 2, search, deterministic=True)
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _CHECK_EVERY)
    try:
        yield
    except sqlite3.OperationalError:
        if search.gave_up or time.monotonic() > deadline:
            raise refuse(503, f"Evaluating the definition took longer than {seconds:g} s and was given up.") from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def rows(connection: sqlite3.Connection, statement: Statement) -> list[tuple[object, ...]]:
    """Return all rows of a statement.

    Raises:
        Refusal: 503; it took too long.
    """
    with time_limit(connection):
        return connection.execute(statement.sql, statement.values).fetchall()


def find_members(connection: sqlite3.Connection, group: Group, now: float) -> list[str]:
    """Return the users for whom a definition holds, sorted.

    Raises:
        Refusal: 503; it took too long.
    """
    return [str(row[0]) for row in rows(connection, members_statement(group, now))]
