"""Events come in, one by one or in batches.

Source: wire-protocol.md, sections 2 and 11 (points 4 and 5).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec

from segops.emulator import aliases, times
from segops.emulator.answers import Answer, Refusal, invalid, refuse
from segops.emulator.call import Call
from segops.emulator.parsing import parse
from segops.emulator.schema_check import Schemas, SchemaViolationError, check_payload, registered
from segops.emulator.skips import Skip, record
from segops.emulator.strictness import refuse_unknown, unknown_errors

MAX_EVENTS = 500
"""The most events of one batch."""

Text = Annotated[str, msgspec.Meta(min_length=1)]
Row = tuple[str, str, str, str, str, "str | None", int]

_TOO_DEEP = "Nested too deeply."
_EMPTY = msgspec.Raw(b"{}")

# A skipped row is one whose payload SQLite could not read back.
_INSERT = """
    INSERT OR IGNORE INTO events (user_id, event_type, occurred_at, received_at, payload, anonymous_id, key_id)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_IDENTIFIED = """
    SELECT anonymous_id, user_id, received_at FROM events
    WHERE id > ? AND anonymous_id IS NOT NULL GROUP BY 1, 2 ORDER BY min(id)
"""


class NewEvent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An event as it is sent; what is optional may also be null."""

    user_id: Text
    event_type: Text
    occurred_at: str | None = None
    payload: msgspec.Raw = _EMPTY
    anonymous_id: str | None = None

    def __repr__(self) -> str:
        """Show no personal data."""
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


def track(call: Call) -> Answer:
    """Store one event; 202, or 400 with what is wrong with each field."""
    try:
        row = _single(call)
    except (msgspec.ValidationError, ValueError) as error:
        refusal = _complaint(call.body, error)
        _store(call, [], [Skip(msgspec.json.encode(refusal.answer.body).decode(), call.body.decode())])
        raise refusal from None
    if not _store(call, [row], []):
        raise invalid({"payload": [_TOO_DEEP]})
    return Answer(202, {"queued": True}, count=1)


def read_event(call: Call) -> Row:
    """Return the event that the body is, ready for `insert`.

    Raises:
        Refusal: 400, with what is wrong with each field.
    """
    try:
        return _single(call)
    except (msgspec.ValidationError, ValueError) as error:
        raise _complaint(call.body, error) from None


def insert(connection: sqlite3.Connection, rows: list[Row]) -> int:
    """Store events, and who they say that their visitors are; return how many could be stored."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    stored = connection.executemany(_INSERT, rows).rowcount if rows else 0
    if any(row[5] for row in rows):
        for anonymous_id, user_id, at in connection.execute(_IDENTIFIED, (last,)).fetchall():
            aliases.link(connection, aliases.PREFIX + anonymous_id, user_id, at)
    return stored


def track_batch(call: Call) -> Answer:
    """Store the valid events of a batch, all in one transaction; 202, or 400 with nothing stored."""
    events: list[NewEvent] | list[msgspec.Raw]
    try:
        events = parse(call.body, _batch).events
    except msgspec.ValidationError:
        events = _loose_events(call.body)
    if len(events) > MAX_EVENTS:
        raise invalid({"events": [f"Ensure this field has no more than {MAX_EVENTS} elements."]})
    refused = [Skip("A scripted fault refused it.", _body(event)) for event in events[: call.refuse]]
    rows, skips = _sorted(events[call.refuse :], call)
    queued = _store(call, rows, refused + skips)
    skipped = len(events) - queued
    return Answer(202, {"queued": queued, "skipped": skipped}, count=queued, skipped=skipped)


def _loose_events(body: bytes) -> list[msgspec.Raw]:
    try:
        members = parse(body, _members)
        refuse_unknown(members, {"events"})
        return parse(body, _loose_batch).events
    except msgspec.ValidationError as error:
        raise invalid({"events": [str(error)]}) from None


def _sorted(events: Iterable[NewEvent | msgspec.Raw], call: Call) -> tuple[list[Row], list[Skip]]:
    rows, skips = [], []
    schemas, received_at = registered(call.database), times.from_unix(call.now)
    for event in events:
        try:
            read = event if isinstance(event, NewEvent) else _event.decode(event)
            rows.append(_row(read, call, schemas, received_at))
        except (msgspec.ValidationError, ValueError) as error:
            skips.append(Skip(_reason(event, error), _body(event)))
    return rows, skips


def _reason(event: NewEvent | msgspec.Raw, error: Exception) -> str:
    """Return why an event is refused; of unknown fields, which ones."""
    if isinstance(event, NewEvent):
        return str(error)
    try:
        unknown = unknown_errors(_members.decode(event), _CHECKS)
    except msgspec.ValidationError:  # it is no object
        unknown = {}
    return " ".join(f"{name}: {complaint}" for name, (complaint,) in unknown.items()) or str(error)


def _body(event: NewEvent | msgspec.Raw) -> str:
    return msgspec.json.encode(event).decode()


def _single(call: Call) -> Row:
    return _row(parse(call.body, _event), call, registered(call.database), times.from_unix(call.now))


def _row(event: NewEvent, call: Call, schemas: Schemas, received_at: str) -> Row:
    payload = _payload(event.payload)
    if event.event_type in schemas:
        check_payload(payload, schemas[event.event_type])
    return (
        call.caller.uid or event.user_id,
        event.event_type,
        received_at if event.occurred_at is None else times.from_text(event.occurred_at),
        received_at,
        payload,
        event.anonymous_id or None,
        call.caller.key.id,
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


def _store(call: Call, rows: list[Row], skips: list[Skip]) -> int:
    with call.database.transaction() as connection:
        stored = insert(connection, rows)
        if stored < len(rows):
            skips += [Skip(_TOO_DEEP, row[4]) for row in rows if not _is_readable(connection, row[4])]
        if skips:
            record(connection, skips, times.from_unix(call.now), call.caller.key.id)
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


def _complaint(body: bytes, first: Exception) -> Refusal:
    try:
        members = parse(body, _members)
    except msgspec.ValidationError as error:
        return refuse(400, str(error))
    if isinstance(first, SchemaViolationError):
        return invalid({"payload": [str(first)]})
    errors = {name: ["This field is required."] for name in ("user_id", "event_type") if name not in members}
    for name, check in _CHECKS.items():
        if name in members and (complaint := _error(check, members[name])):
            errors[name] = [complaint]
    errors |= unknown_errors(members, _CHECKS)
    return invalid(errors) if errors else refuse(400, str(first))  # of a repeated name, only the last is looked at


def _error(check: Callable[[msgspec.Raw], object], raw: msgspec.Raw) -> str | None:
    try:
        check(raw)
    except (msgspec.ValidationError, ValueError) as error:
        return str(error)
    return None
