"""Ingestion: store events, one by one or in batches."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec

from segops.core import BATCH_PATH, SINGLE_PATH
from segops.emulator import aliases, times
from segops.emulator.bodies import parse
from segops.emulator.event_schemas import Schemas, SchemaViolationError, check_payload, registered
from segops.emulator.rejected_events import Rejection, record
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SENDERS, RequestContext, Route
from segops.emulator.unknown_fields import reject_unknown_fields, unknown_field_errors

MAX_EVENTS = 500
"""Maximum number of events in a batch."""

TABLES = (
    # json_valid also rejects what SQLite could not read back, because of its own nesting limit.
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        occurred_at TEXT NOT NULL,
        received_at TEXT NOT NULL,
        payload TEXT NOT NULL CHECK (json_valid(payload)),
        anonymous_id TEXT,
        bot_class TEXT NOT NULL DEFAULT 'human',
        key_id INTEGER
    )
    """,
    "CREATE INDEX events_by_user ON events (user_id)",
    # Every event with the user behind its user id. Aliases are flat, so one join is enough.
    """
    CREATE VIEW activity AS
    SELECT
        events.id, coalesce(aliases.user_id, events.user_id) AS user_id, events.event_type, events.occurred_at,
        events.received_at, events.payload, events.user_id AS sent_user_id, events.anonymous_id
    FROM events LEFT JOIN aliases ON aliases.alias = events.user_id
    """,
)

Text = Annotated[str, msgspec.Meta(min_length=1)]
Row = tuple[str, str, str, str, str, "str | None", int]

_TOO_DEEP = "Nested too deeply."
_EMPTY = msgspec.Raw(b"{}")

# A row is ignored if SQLite could not read its payload back.
_INSERT = """
    INSERT OR IGNORE INTO events (user_id, event_type, occurred_at, received_at, payload, anonymous_id, key_id)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_IDENTIFIED = """
    SELECT anonymous_id, user_id, received_at FROM events
    WHERE id > ? AND anonymous_id IS NOT NULL GROUP BY 1, 2 ORDER BY min(id)
"""


class NewEvent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An event as clients send it. Optional fields may also be null."""

    user_id: Text
    event_type: Text
    occurred_at: str | None = None
    payload: msgspec.Raw = _EMPTY
    anonymous_id: str | None = None

    def __repr__(self) -> str:
        """Omit personal data."""
        return f"NewEvent({self.event_type!r})"


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[NewEvent]


class _LooseBatch(msgspec.Struct):
    events: list[msgspec.Raw]


_batch = msgspec.json.Decoder(_Batch)
_loose_batch = msgspec.json.Decoder(_LooseBatch)
_event = msgspec.json.Decoder(NewEvent)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(Text)
_optional_text = msgspec.json.Decoder(str | None)


def track(request: RequestContext) -> ApiResponse:
    """Store one event."""
    try:
        row = _single(request)
    except (msgspec.ValidationError, ValueError) as error:
        failure = _failure(request.body, error)
        reason = msgspec.json.encode(failure.response.body).decode()
        _store(request, [], [Rejection(reason, request.body.decode())])
        raise failure from None
    if not _store(request, [row], []):
        raise HTTPError(400, {"payload": [_TOO_DEEP]})
    return ApiResponse(202, {"queued": True}, count=1)


def read_event(request: RequestContext) -> Row:
    """Return the event in the body, ready for `insert`.

    Raises:
        HTTPError: 400, with the errors of each field.
    """
    try:
        return _single(request)
    except (msgspec.ValidationError, ValueError) as error:
        raise _failure(request.body, error) from None


def insert(connection: sqlite3.Connection, rows: list[Row]) -> int:
    """Store events and the visitors whom they identify, and return how many were stored."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    stored = connection.executemany(_INSERT, rows).rowcount if rows else 0
    if any(row[5] for row in rows):
        for anonymous_id, user_id, at in connection.execute(_IDENTIFIED, (last,)).fetchall():
            aliases.link(connection, aliases.PREFIX + anonymous_id, user_id, at)
    return stored


def track_batch(request: RequestContext) -> ApiResponse:
    """Store the valid events of a batch in one transaction."""
    events: list[NewEvent] | list[msgspec.Raw]
    try:
        events = parse(request.body, _batch).events
    except msgspec.ValidationError:
        events = _loose_events(request.body)
    if len(events) > MAX_EVENTS:
        raise HTTPError(400, {"events": [f"Ensure this field has no more than {MAX_EVENTS} elements."]})
    faulty = [Rejection("Rejected by a scripted fault.", _body(event)) for event in events[: request.fault_skips]]
    rows, invalid = _sorted(events[request.fault_skips :], request)
    queued = _store(request, rows, faulty + invalid)
    skipped = len(events) - queued
    return ApiResponse(202, {"queued": queued, "skipped": skipped}, count=queued, skipped=skipped)


def _loose_events(body: bytes) -> list[msgspec.Raw]:
    try:
        members = parse(body, _members)
        reject_unknown_fields(members, {"events"})
        return parse(body, _loose_batch).events
    except msgspec.ValidationError as error:
        raise HTTPError(400, {"events": [str(error)]}) from None


def _sorted(events: Iterable[NewEvent | msgspec.Raw], request: RequestContext) -> tuple[list[Row], list[Rejection]]:
    rows, rejections = [], []
    schemas, received_at = registered(request.database), times.from_unix(request.now)
    for event in events:
        try:
            read = event if isinstance(event, NewEvent) else _event.decode(event)
            rows.append(_row(read, request, schemas, received_at))
        except (msgspec.ValidationError, ValueError) as error:
            rejections.append(Rejection(_reason(event, error), _body(event)))
    return rows, rejections


def _reason(event: NewEvent | msgspec.Raw, error: Exception) -> str:
    """Return why an event is rejected, with the names of unknown fields."""
    if isinstance(event, NewEvent):
        return str(error)
    try:
        unknown = unknown_field_errors(_members.decode(event), _CHECKS)
    except msgspec.ValidationError:  # not an object
        unknown = {}
    return " ".join(f"{name}: {message}" for name, (message,) in unknown.items()) or str(error)


def _body(event: NewEvent | msgspec.Raw) -> str:
    return msgspec.json.encode(event).decode()


def _single(request: RequestContext) -> Row:
    return _row(parse(request.body, _event), request, registered(request.database), times.from_unix(request.now))


def _row(event: NewEvent, request: RequestContext, schemas: Schemas, received_at: str) -> Row:
    payload = _payload(event.payload)
    if event.event_type in schemas:
        check_payload(payload, schemas[event.event_type])
    return (
        request.caller.uid or event.user_id,
        event.event_type,
        received_at if event.occurred_at is None else times.from_text(event.occurred_at),
        received_at,
        payload,
        event.anonymous_id or None,
        request.caller.key.id,
    )


def _payload(raw: msgspec.Raw) -> str:
    text = str(raw, "utf-8")
    if text[0] == "{":
        return text
    if text == "null":
        return "{}"
    raise ValueError("Expected `object`.")


def _time(raw: msgspec.Raw) -> str | None:
    text = _optional_text.decode(raw)
    return None if text is None else times.from_text(text)


def _store(request: RequestContext, rows: list[Row], rejections: list[Rejection]) -> int:
    with request.database.transaction() as connection:
        stored = insert(connection, rows)
        if stored < len(rows):
            rejections += [Rejection(_TOO_DEEP, row[4]) for row in rows if not _is_readable(connection, row[4])]
        if rejections:
            record(connection, rejections, times.from_unix(request.now), request.caller.key.id)
    return stored


def _is_readable(connection: sqlite3.Connection, payload: str) -> bool:
    return bool(connection.execute("SELECT json_valid(?)", (payload,)).fetchone()[0])


_CHECKS: dict[str, Callable[[msgspec.Raw], object]] = {
    "user_id": _text.decode,
    "event_type": _text.decode,
    "occurred_at": _time,
    "payload": _payload,
    "anonymous_id": _optional_text.decode,
}


def _failure(body: bytes, first: Exception) -> HTTPError:
    try:
        members = parse(body, _members)
    except msgspec.ValidationError as error:
        return HTTPError(400, str(error))
    if isinstance(first, SchemaViolationError):
        return HTTPError(400, {"payload": [str(first)]})
    errors = {name: ["This field is required."] for name in ("user_id", "event_type") if name not in members}
    for name, check in _CHECKS.items():
        if name in members and (message := _error(check, members[name])):
            errors[name] = [message]
    errors |= unknown_field_errors(members, _CHECKS)
    return HTTPError(400, errors or str(first))  # only the last of several fields with the same name was checked


def _error(check: Callable[[msgspec.Raw], object], raw: msgspec.Raw) -> str | None:
    try:
        check(raw)
    except (msgspec.ValidationError, ValueError) as error:
        return str(error)
    return None


ROUTES = (
    Route("POST", BATCH_PATH, SENDERS, track_batch, None),
    Route("POST", SINGLE_PATH, SENDERS, track, None),
)
