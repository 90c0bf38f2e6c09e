"""A transport that writes events to a queue in SQLite, for your own consumer."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import unquote, urlsplit

import msgspec

from segops.core import (
    BATCH_PATH,
    SINGLE_PATH,
    Request,
    Response,
    SegOpsConfigError,
    SegOpsTimeoutError,
    SegOpsTransportError,
    Transport,
)

_CREATE = "CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL)"
_INSERT = "INSERT INTO events (event) VALUES (?)"


class SqliteQueue(Transport):
    """Append each event, as JSON text, to the table `events` of a SQLite database.

    Each batch is one transaction on its own connection, so any number of threads and processes may share the file.

    Args:
        path: The database, created if it is missing.
    """

    offline = True

    def __init__(self, path: str) -> None:
        self.url = f"sqlite-queue:{path}"
        self._path = path

    @classmethod
    def from_url(cls, url: str) -> SqliteQueue:
        """Create the transport for "sqlite-queue:events.db" or "sqlite-queue:///var/spool/events.db".

        Raises:
            SegOpsConfigError: The URL has a host, or no path.
        """
        parts = urlsplit(url)
        if parts.netloc or not parts.path:
            raise SegOpsConfigError(f"URL needs a local path, such as sqlite-queue:///var/spool/events.db, got {url!r}")
        return cls(unquote(parts.path))

    def send(self, request: Request, *, timeout: float) -> Response:
        """Append the events of a request and respond as SegOps does.

        Raises:
            SegOpsTimeoutError: Another program kept the database locked.
            SegOpsTransportError: SQLite cannot write to the database.
        """
        try:
            events = _events_of(request)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Response(400, body=b'{"detail":"the body is not a batch of events or an event"}')
        if events is None:
            return Response(404, body=b'{"detail":"this queue accepts events only"}')
        try:
            self._append(events, timeout)
        except sqlite3.OperationalError as error:
            cls = SegOpsTimeoutError if "locked" in str(error) else SegOpsTransportError
            raise cls(f"{self.url}: {error}") from error
        except sqlite3.Error as error:
            raise SegOpsTransportError(f"{self.url}: {error}") from error
        return Response(202, body=msgspec.json.encode({"queued": len(events), "skipped": 0}))

    def _append(self, events: Sequence[str], timeout: float) -> None:
        with closing(sqlite3.connect(self._path, timeout=timeout)) as database, database:
            database.execute(_CREATE)
            database.executemany(_INSERT, [(event,) for event in events])


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


def _events_of(request: Request) -> list[str] | None:
    """Return the events of a request as JSON texts; None if the request is not about events."""
    if request.path == BATCH_PATH:
        return [bytes(event).decode() for event in msgspec.json.decode(request.body, type=_Batch).events]
    if request.path == SINGLE_PATH:
        msgspec.json.decode(request.body, type=dict[str, msgspec.Raw])
        return [request.body.decode()]
    return None
