"""A transport: hands events to a queue in SQLite, from which a program of yours takes them."""

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
    """Appends each event, as the JSON text that SegOps would get, to the table `events` of an SQLite database.

    A batch is one transaction: all of it is in the queue or none. A connection is opened for each batch, so that any
    number of threads and processes may share the file, and nothing has to be closed.

    Args:
        path: The database; made if it is missing.
    """

    offline = True

    def __init__(self, path: str) -> None:
        self.url = f"sqlite-queue:{path}"
        self._path = path

    @classmethod
    def from_url(cls, url: str) -> SqliteQueue:
        """Make the transport for "sqlite-queue:events.db" or "sqlite-queue:///var/spool/events.db".

        Raises:
            SegOpsConfigError: The URL names no file, or a host.
        """
        parts = urlsplit(url)
        if parts.netloc or not parts.path:
            raise SegOpsConfigError(f"{url!r} names no file on this machine: write sqlite-queue:///var/spool/events.db")
        return cls(unquote(parts.path))

    def send(self, request: Request, *, timeout: float) -> Response:
        """Append the events of a request, and answer as SegOps does.

        Raises:
            SegOpsTimeoutError: Another program held the database locked all the time.
            SegOpsTransportError: SQLite cannot write to it.
        """
        try:
            events = _events_of(request)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Response(400, body=b'{"detail":"the body is not what the endpoint takes"}')
        if events is None:
            return Response(404, body=b'{"detail":"a queue takes events only"}')
        try:
            self._append(events, timeout)
        except sqlite3.OperationalError as error:
            kind = SegOpsTimeoutError if "locked" in str(error) else SegOpsTransportError
            raise kind(f"{self.url}: {error}") from error
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
    """Return the events of a request, each as the text that it came as; None if it is not about events."""
    if request.path == BATCH_PATH:
        return [bytes(event).decode() for event in msgspec.json.decode(request.body, type=_Batch).events]
    if request.path == SINGLE_PATH:
        msgspec.json.decode(request.body, type=dict[str, msgspec.Raw])
        return [request.body.decode()]
    return None
