"""Read events, rejected events, and history for a live view."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from segops.emulator.database import Database

PREVIEW = 300
"""Characters of a payload in a list."""

_COLUMNS = f"""
    events.id, events.user_id, events.event_type, events.occurred_at, events.received_at,
    substr(events.payload, 1, {PREVIEW}) AS preview, length(events.payload) AS size, events.anonymous_id,
    events.bot_class, events.key_id, {{source}} AS source, {{key}}
"""

# An event of an enricher follows its source event, with the same user and time to the microsecond.
_SOURCE = """
    (SELECT earlier.event_type FROM events AS earlier
     WHERE earlier.id = events.id - 1 AND earlier.user_id = events.user_id
     AND earlier.occurred_at = events.occurred_at AND earlier.event_type <> events.event_type)
"""

_KEY = "api_keys.kind, api_keys.name, substr(api_keys.key, 1, 3) || '…' || substr(api_keys.key, -4)"

_EVENTS = (
    f"SELECT {_COLUMNS.format(source=_SOURCE, key=_KEY)} FROM events LEFT JOIN api_keys ON api_keys.id = events.key_id"  # noqa: S608 - fixed text
)

_REJECTED = f"""
    SELECT skipped_events.id, received_at, reason, body, key_id, {_KEY}
    FROM skipped_events LEFT JOIN api_keys ON api_keys.id = key_id
"""  # noqa: S608 - fixed text

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
    """How far a reader has read.

    Attributes:
        event: The id of the last event.
        skipped: The id of the last rejected event.
    """

    event: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.event}.{self.skipped}"


class Filter(msgspec.Struct, frozen=True):
    """A filter of events. Empty criteria match all events.

    Attributes:
        event_type: The type.
        user: Part of the user id.
        text: Part of the payload, the user id, or the type. Only A to Z are matched case-insensitively.
    """

    event_type: str = ""
    user: str = ""
    text: str = ""

    def where(self) -> tuple[list[str], list[object]]:
        """Return SQL conditions on `events`, and their values."""
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
        id: Its id, in order of arrival.
        user_id: The user who caused it.
        event_type: Its type.
        occurred_at: When it happened.
        received_at: When it arrived.
        preview: The first `PREVIEW` characters of its payload.
        size: Number of characters of the payload.
        anonymous_id: The anonymous id sent with it.
        bot_class: The kind of visitor who caused it.
        key_id: The id of the key that sent it or minted the session, or None if unknown.
        added_to: The type of the previous event, if it has the same user and time and so was enriched with this one.
        key_kind: "secret" for an API key, "public" for a session of `user_id`.
        key_name: The name of the key.
        key_hint: The start and the end of the key, such as "sk_…3f2a".
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
    added_to: str | None
    key_kind: str | None
    key_name: str | None
    key_hint: str | None

    def __repr__(self) -> str:
        """Omit personal data."""
        return f"SeenEvent(id={self.id}, event_type={self.event_type!r})"


class RejectedEvent(msgspec.Struct, frozen=True):
    """A rejected event.

    Attributes:
        id: Its id among the rejected events.
        received_at: When it arrived.
        reason: What is wrong with it.
        body: Its JSON text, possibly truncated.
        key_id: The id of the key that sent it or minted the session.
        key_kind: "secret" or "public".
        key_name: The name of the key.
        key_hint: The start and the end of the key, such as "sk_…3f2a".
    """

    id: int
    received_at: str
    reason: str
    body: str
    key_id: int
    key_kind: str | None
    key_name: str | None
    key_hint: str | None

    def __repr__(self) -> str:
        """Omit personal data."""
        return f"RejectedEvent(id={self.id})"


class Inspection:
    """Reads a bounded number of rows per call from the database of a local SegOps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def token(self) -> str:
        """Return random text that identifies the database."""
        return self._database.setting("token", lambda: secrets.token_hex(8))

    def position(self) -> Position:
        """Return the position of the newest event and the newest rejected event."""
        ((event, skipped),) = self._database.query(
            "SELECT (SELECT max(id) FROM events), (SELECT max(id) FROM skipped_events)"
        )
        return Position(event or 0, skipped or 0)

    def events_after(self, event_id: int, limit: int, criteria: Filter | None = None) -> list[SeenEvent]:
        """Return the next events after an id, oldest first."""
        return self._events("events.id > ? ", event_id, "ASC", limit, criteria)

    def events_before(self, event_id: int | None, limit: int, criteria: Filter | None = None) -> list[SeenEvent]:
        """Return the last events, optionally before an id, newest first."""
        return self._events("events.id < coalesce(?, 1 << 62)", event_id, "DESC", limit, criteria)

    def rejected_after(self, rejected_id: int, limit: int) -> list[RejectedEvent]:
        """Return the next rejected events after an id, oldest first."""
        rows = self._database.query(f"{_REJECTED} WHERE skipped_events.id > ? ORDER BY 1 LIMIT ?", (rejected_id, limit))
        return [RejectedEvent(*row) for row in rows]

    def rejected(self, limit: int) -> list[RejectedEvent]:
        """Return the last rejected events, newest first."""
        rows = self._database.query(f"{_REJECTED} ORDER BY 1 DESC LIMIT ?", (limit,))
        return [RejectedEvent(*row) for row in rows]

    def event(self, event_id: int) -> dict[str, Any] | None:
        """Return an event: the members of `SeenEvent`, its indented "payload", and the "added" event of an enricher."""
        found = [each for each in self.events_after(event_id - 1, 2) if each.id in (event_id, event_id + 1)]
        if not found or found[0].id != event_id:
            return None
        ((payload,),) = self._database.query("SELECT payload FROM events WHERE id = ?", (event_id,))
        added = found[1] if found[1:] and found[1].added_to else None
        return {**msgspec.structs.asdict(found[0]), "payload": _indented(payload), "added": added}

    def event_types(self) -> list[tuple[str, int]]:
        """Return the number of events of each type, most frequent first, for at most 200 types."""
        sql = "SELECT event_type, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 200"
        return [(event_type, count) for event_type, count in self._database.query(sql)]

    def segment_history(self, segment_id: int, limit: int = 500) -> list[tuple[str, int]]:
        """Return the times of the computations of a segment and its member counts, oldest first."""
        return [(at, count) for at, count in self._database.query(_HISTORY, (segment_id, limit))]

    def referrals(self) -> dict[str, Sequence[Sequence[Any]]]:
        """Return the AI referrals "by_day" (day, provider, count), and the ten top "landings" (URL, count)."""
        return {"by_day": self._database.query(_REFERRALS_BY_DAY), "landings": self._database.query(_LANDINGS)}

    def _events(
        self, bound: str, value: object, direction: str, limit: int, criteria: Filter | None
    ) -> list[SeenEvent]:
        conditions, values = (criteria or Filter()).where()
        sql = f"{_EVENTS} WHERE {bound} AND {' AND '.join(conditions)} ORDER BY events.id {direction} LIMIT ?"
        return [SeenEvent(*row) for row in self._database.query(sql, (value, *values, limit))]


def _indented(payload: str) -> str:
    """Return indented JSON text. Escapes of lone surrogates stay escapes."""
    try:
        text = json.dumps(json.loads(payload, parse_float=_float), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # a number out of range, or hundreds of levels
        return payload
    return text.encode("utf-8", "backslashreplace").decode()


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return value
