"""Events come in, one by one or in batches.

Source: wire-protocol.md, sections 2 and 11 (points 4 and 5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec

from segops.local import times
from segops.local.answers import Answer, Refusal, invalid, refuse
from segops.local.call import Call
from segops.local.parsing import parse

MAX_EVENTS = 500
"""The most events of one batch."""

Text = Annotated[str, msgspec.Meta(min_length=1)]
Row = tuple[str, str, str, str, str, "str | None"]

_EMPTY = msgspec.Raw(b"{}")

# A skipped row is one whose payload SQLite could not read back.
_INSERT = """
    INSERT OR IGNORE INTO events (user_id, event_type, occurred_at, received_at, payload, anonymous_id)
    VALUES (?, ?, ?, ?, ?, ?)
"""

# The first identification wins: an alias that exists is left as it is.
_LINK = """
    INSERT OR IGNORE INTO aliases (alias, user_id, created_at)
    SELECT 'anon_' || anonymous_id, user_id, received_at FROM events
    WHERE id > ? AND anonymous_id IS NOT NULL ORDER BY id
"""


class NewEvent(msgspec.Struct, gc=False):
    """An event as it is sent; what is optional may also be null."""

    user_id: Text
    event_type: Text
    occurred_at: str | None = None
    payload: msgspec.Raw = _EMPTY
    anonymous_id: str | None = None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"NewEvent({self.event_type!r})"


class _Batch(msgspec.Struct):
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
        row = _row(parse(call.body, _event), call.caller.uid, times.from_unix(call.now))
    except (msgspec.ValidationError, ValueError) as error:
        raise _complaint(call.body, error) from None
    if not _store(call, [row]):
        raise invalid({"payload": ["Nested too deeply."]})
    return Answer(202, {"queued": True}, count=1)


def track_batch(call: Call) -> Answer:
    """Store the valid events of a batch, all in one transaction; 202, or 400 with nothing stored."""
    events: list[NewEvent] | list[msgspec.Raw]
    try:
        events = parse(call.body, _batch).events
    except msgspec.ValidationError:
        events = _loose_events(call.body)
    if len(events) > MAX_EVENTS:
        raise invalid({"events": [f"Ensure this field has no more than {MAX_EVENTS} elements."]})
    received_at = times.from_unix(call.now)
    rows = [row for event in events if (row := _valid_row(event, call.caller.uid, received_at))]
    queued = _store(call, rows)
    skipped = len(events) - queued
    return Answer(202, {"queued": queued, "skipped": skipped}, count=queued, skipped=skipped)


def _loose_events(body: bytes) -> list[msgspec.Raw]:
    try:
        return parse(body, _loose_batch).events
    except msgspec.ValidationError as error:
        raise invalid({"events": [str(error)]}) from None


def _valid_row(event: NewEvent | msgspec.Raw, uid: str | None, received_at: str) -> Row | None:
    try:
        return _row(event if isinstance(event, NewEvent) else _event.decode(event), uid, received_at)
    except (msgspec.ValidationError, ValueError):
        return None


def _row(event: NewEvent, uid: str | None, received_at: str) -> Row:
    return (
        uid or event.user_id,
        event.event_type,
        received_at if event.occurred_at is None else times.from_text(event.occurred_at),
        received_at,
        _payload(event.payload),
        event.anonymous_id or None,
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


def _store(call: Call, rows: list[Row]) -> int:
    with call.database.transaction() as connection:
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
        stored = connection.executemany(_INSERT, rows).rowcount if rows else 0
        if any(row[5] for row in rows):
            connection.execute(_LINK, (last,))
    return stored


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
    errors = {name: ["This field is required."] for name in ("user_id", "event_type") if name not in members}
    for name, check in _CHECKS.items():
        if name in members and (complaint := _error(check, members[name])):
            errors[name] = [complaint]
    return invalid(errors) if errors else refuse(400, str(first))  # of a repeated name, only the last is looked at


def _error(check: Callable[[msgspec.Raw], object], raw: msgspec.Raw) -> str | None:
    try:
        check(raw)
    except (msgspec.ValidationError, ValueError) as error:
        return str(error)
    return None
