"""Read stored events and totals from the database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from segops.emulator.database import Database

_PAGE = 1000

_COLUMNS = "id, user_id, event_type, occurred_at, received_at, anonymous_id, bot_class, payload"

_USERS = """
    SELECT count(DISTINCT coalesce(aliases.user_id, events.user_id))
    FROM events LEFT JOIN aliases ON aliases.alias = events.user_id
"""

_SPEND = """
    SELECT total(json_extract(payload, '$.total')) FROM events
    WHERE event_type = 'order_placed' AND json_type(payload, '$.total') IN ('integer', 'real')
"""

_REFERRALS = """
    SELECT coalesce(json_extract(payload, '$.source_provider'), ''), count(*) FROM events
    WHERE event_type = 'ai_referral_session' GROUP BY 1 ORDER BY 2 DESC, 1
"""


class Summary(msgspec.Struct, frozen=True):
    """Totals of a local SegOps.

    Attributes:
        events: Number of events.
        users: Number of distinct users. Events of an identified visitor count for the user.
        total_spend: Sum of `total` over all `order_placed` events, rounded to cents.
        by_type: Number of events of each type, most frequent first.
        ai_referrals: Number of `ai_referral_session` events by `source_provider`, most frequent first.
    """

    events: int
    users: int
    total_spend: float
    by_type: Mapping[str, int]
    ai_referrals: Mapping[str, int]


class StoredEvent(msgspec.Struct, frozen=True):
    """One stored event.

    Attributes:
        id: Its id, in order of arrival.
        user_id: The user who caused it.
        event_type: Its type.
        occurred_at: When it happened, such as "2027-01-05T09:30:00.123456Z".
        received_at: When it arrived, in the same format.
        anonymous_id: The anonymous id sent with it.
        bot_class: Always "human" for now.
        payload: Its properties.
    """

    id: int
    user_id: str
    event_type: str
    occurred_at: str
    received_at: str
    anonymous_id: str | None
    bot_class: str
    payload: Mapping[str, Any]

    def __repr__(self) -> str:
        """Omit personal data."""
        return f"StoredEvent(id={self.id}, event_type={self.event_type!r})"


def summary(database: Database) -> Summary:
    """Return the totals."""
    by_type = dict(database.query("SELECT event_type, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC, 1"))
    return Summary(
        events=sum(by_type.values()),
        users=database.query(_USERS)[0][0],
        total_spend=round(database.query(_SPEND)[0][0], 2),
        by_type=by_type,
        ai_referrals={str(provider): count for provider, count in database.query(_REFERRALS)},
    )


def events(database: Database, event_type: str | None = None) -> Iterator[StoredEvent]:
    """Yield the stored events in order of arrival: those of one type, or all."""
    last = 0
    while True:
        rows = database.query(
            f"SELECT {_COLUMNS} FROM events WHERE id > ? AND event_type = coalesce(?, event_type) "  # noqa: S608 - fixed
            "ORDER BY id LIMIT ?",
            (last, event_type, _PAGE),
        )
        for *columns, payload in rows:
            yield StoredEvent(*[*columns, json.loads(payload)])
        if len(rows) < _PAGE:
            return
        last = rows[-1][0]
