"""What a live view shows: events and refused events as they come, and how things went over time."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from segops.emulator.database import Database

PREVIEW = 300
"""How many characters of a payload a list shows."""

_COLUMNS = f"""
    events.id, events.user_id, events.event_type, events.occurred_at, events.received_at,
    substr(events.payload, 1, {PREVIEW}) AS preview, length(events.payload) AS size, events.anonymous_id,
    events.bot_class, events.key_id, api_keys.kind, api_keys.name, {{source}} AS source
"""

# An enricher's event follows the one that it was made of, and has its user and its time to the microsecond.
_SOURCE = """
    (SELECT earlier.event_type FROM events AS earlier
     WHERE earlier.id = events.id - 1 AND earlier.user_id = events.user_id
     AND earlier.occurred_at = events.occurred_at AND earlier.event_type <> events.event_type)
"""

_EVENTS = f"SELECT {_COLUMNS.format(source=_SOURCE)} FROM events LEFT JOIN api_keys ON api_keys.id = events.key_id"  # noqa: S608 - fixed text

_SKIPPED = """
    SELECT skipped_events.id, received_at, reason, body, key_id, api_keys.kind, api_keys.name
    FROM skipped_events LEFT JOIN api_keys ON api_keys.id = key_id
"""

_REFERRALS_BY_DAY = """
    SELECT substr(occurred_at, 1, 10) AS day, coalesce(json_extract(payload, '$.source_provider'), '?'), count(*)
    FROM events WHERE event_type = 'ai_referral_session' GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2
"""

_LANDINGS = """
    SELECT coalesce(json_extract(payload, '$.landing_url'), '?'), count(*) FROM events
    WHERE event_type = 'ai_referral_session' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10
"""

_HISTORY = """
    SELECT computed_at, member_count FROM (
        SELECT id, computed_at, member_count FROM segment_history WHERE segment_id = ? ORDER BY id DESC LIMIT ?
    ) ORDER BY id
"""


class Position(msgspec.Struct, frozen=True):
    """How far somebody has read.

    Attributes:
        event: The number of the last event.
        skipped: The number of the last refused event.
    """

    event: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.event}.{self.skipped}"


class Filter(msgspec.Struct, frozen=True):
    """Which events are wanted; what is empty admits all.

    Attributes:
        event_type: Their type.
        user: Text in their user id.
        text: Text anywhere in their payload, user id or type. Case matters for other letters than A to Z.
    """

    event_type: str = ""
    user: str = ""
    text: str = ""

    def where(self) -> tuple[list[str], list[object]]:
        """Return the SQL conditions on `events`, and their values."""
        conditions, values = ["1"], list[object]()
        if self.event_type:
            conditions.append("events.event_type = ?")
            values.append(self.event_type)
        if self.user:
            conditions.append("instr(lower(events.user_id), lower(?)) > 0")
            values.append(self.user)
        if self.text:
            anywhere = "events.payload || char(10) || events.user_id || char(10) || events.event_type"
            conditions.append(f"instr(lower({anywhere}), lower(?)) > 0")
            values.append(self.text)
        return conditions, values


class SeenEvent(msgspec.Struct, frozen=True):
    """An event in a list.

    Attributes:
        id: Its number, in the order of arrival.
        user_id: Whose it is.
        event_type: What it is.
        occurred_at: When it happened.
        received_at: When it arrived.
        preview: The first `PREVIEW` characters of its payload.
        size: How many characters the payload has.
        anonymous_id: The visitor id that came with it.
        bot_class: What is thought to have sent it.
        key_id: The key that sent it, or that minted the session; None if unknown.
        key_kind: "secret" for a key, "public" for a session of `user_id`.
        key_name: The name of that key.
        added_to: The type of the event before it, if an enricher made it of that one: it has the same user and time.
    """

    id: int
    user_id: str
    event_type: str
    occurred_at: str
    received_at: str
    preview: str
    size: int
    anonymous_id: str | None
    bot_class: str
    key_id: int | None
    key_kind: str | None
    key_name: str | None
    added_to: str | None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"SeenEvent(id={self.id}, event_type={self.event_type!r})"


class SkippedEvent(msgspec.Struct, frozen=True):
    """An event that was refused.

    Attributes:
        id: Its number among the refused ones.
        received_at: When it arrived.
        reason: What is wrong with it.
        body: What was sent, or the start of it.
        key_id: The key that sent it, or that minted the session.
        key_kind: "secret" or "public".
        key_name: The name of that key.
    """

    id: int
    received_at: str
    reason: str
    body: str
    key_id: int
    key_kind: str | None
    key_name: str | None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"SkippedEvent(id={self.id})"


class Inspection:
    """Reads from the database of a local SegOps; each call reads a bounded number of rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def token(self) -> str:
        """Return random text that no other database has."""
        return self._database.setting("token", lambda: secrets.token_hex(8))

    def position(self) -> Position:
        """Return where the newest event and the newest refused one are."""
        ((event, skipped),) = self._database.query(
            "SELECT (SELECT max(id) FROM events), (SELECT max(id) FROM skipped_events)"
        )
        return Position(event or 0, skipped or 0)

    def events_after(self, event_id: int, limit: int, wanted: Filter | None = None) -> list[SeenEvent]:
        """Return the next events after one, oldest first."""
        return self._events("events.id > ? ", event_id, "ASC", limit, wanted)

    def events_before(self, event_id: int | None, limit: int, wanted: Filter | None = None) -> list[SeenEvent]:
        """Return the last events before one, or of all, newest first."""
        return self._events("events.id < coalesce(?, 1 << 62)", event_id, "DESC", limit, wanted)

    def skipped_after(self, skipped_id: int, limit: int) -> list[SkippedEvent]:
        """Return the next refused events after one, oldest first."""
        rows = self._database.query(f"{_SKIPPED} WHERE skipped_events.id > ? ORDER BY 1 LIMIT ?", (skipped_id, limit))
        return [SkippedEvent(*row) for row in rows]

    def skipped(self, limit: int) -> list[SkippedEvent]:
        """Return the last refused events, newest first."""
        rows = self._database.query(f"{_SKIPPED} ORDER BY 1 DESC LIMIT ?", (limit,))
        return [SkippedEvent(*row) for row in rows]

    def event(self, event_id: int) -> dict[str, Any] | None:
        """Return one event: the members of `SeenEvent`, "payload" as indented JSON text, and "added" after it."""
        found = [each for each in self.events_after(event_id - 1, 2) if each.id in (event_id, event_id + 1)]
        if not found or found[0].id != event_id:
            return None
        ((payload,),) = self._database.query("SELECT payload FROM events WHERE id = ?", (event_id,))
        added = found[1] if found[1:] and found[1].added_to else None
        return {**msgspec.structs.asdict(found[0]), "payload": _indented(payload), "added": added}

    def event_types(self) -> list[tuple[str, int]]:
        """Return how many events there are of each type, most frequent first; at most 200 types."""
        sql = "SELECT event_type, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 200"
        return [(event_type, count) for event_type, count in self._database.query(sql)]

    def segment_history(self, segment_id: int, limit: int = 500) -> list[tuple[str, int]]:
        """Return when a segment was computed and how many members it had, oldest first."""
        return [(at, count) for at, count in self._database.query(_HISTORY, (segment_id, limit))]

    def referrals(self) -> dict[str, Sequence[Sequence[Any]]]:
        """Return the AI referrals: "by_day" (day, provider, count), and the ten top "landings" (URL, count)."""
        return {"by_day": self._database.query(_REFERRALS_BY_DAY), "landings": self._database.query(_LANDINGS)}

    def _events(self, bound: str, value: object, direction: str, limit: int, wanted: Filter | None) -> list[SeenEvent]:
        conditions, values = (wanted or Filter()).where()
        sql = f"{_EVENTS} WHERE {bound} AND {' AND '.join(conditions)} ORDER BY events.id {direction} LIMIT ?"
        return [SeenEvent(*row) for row in self._database.query(sql, (value, *values, limit))]


def _indented(payload: str) -> str:
    """Return JSON text with line breaks; escapes that stand for no character stay escapes."""
    try:
        text = json.dumps(json.loads(payload, parse_float=_float), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # a number that Python does not hold, or hundreds of levels: as it came
        return payload
    return text.encode("utf-8", "backslashreplace").decode()


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return value
