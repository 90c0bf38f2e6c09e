"""Run statements with a time limit and with the REGEXP operator."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from segops.emulator.responses import HTTPError
from segops.emulator.segments.compiler import Statement, members_statement
from segops.emulator.segments.definition import Group
from segops.emulator.segments.regex import Search

TIME_LIMIT = 30.0
"""Time limit for the evaluation of a definition, in seconds."""

_CHECK_EVERY = 10_000  # of SQLite's instructions: well under a millisecond


@contextmanager
def time_limit(connection: sqlite3.Connection, seconds: float = TIME_LIMIT) -> Iterator[None]:
    """Provide REGEXP, and interrupt statements in the block after a time limit.

    Raises:
        HTTPError: 503; it took too long.
    """
    deadline = time.monotonic() + seconds
    search = Search(deadline)
    connection.create_function("regexp", 2, search, deterministic=True)
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _CHECK_EVERY)
    try:
        yield
    except sqlite3.OperationalError:
        if search.timed_out or time.monotonic() > deadline:
            raise HTTPError(503, f"Evaluating the definition timed out after {seconds:g} s.") from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def rows(connection: sqlite3.Connection, statement: Statement) -> list[tuple[object, ...]]:
    """Return all rows of a statement.

    Raises:
        HTTPError: 503; it took too long.
    """
    with time_limit(connection):
        return connection.execute(statement.sql, statement.values).fetchall()


def find_members(connection: sqlite3.Connection, group: Group, now: float) -> list[str]:
    """Return the users who match a definition, sorted.

    Raises:
        HTTPError: 503; it took too long.
    """
    return [str(row[0]) for row in rows(connection, members_statement(group, now))]
