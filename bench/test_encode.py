"""The cost of encoding an event, compared to the standard library."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from bench.load import PAYLOAD, TYPE, USER, per_call
from bench.report import Bench
from segops import Event
from segops.core.encoding import encode_plain, is_plain
from segops.delivery.coercion import encode_event

NOW = datetime(2026, 4, 25, 14, 32, tzinfo=timezone.utc)
CALLS = 2000


def by_json(payload: dict[str, Any]) -> bytes:
    event = {"user_id": USER, "event_type": TYPE, "occurred_at": NOW.isoformat(), "payload": payload}
    return json.dumps(event, default=str).encode()


def test_plain_values(bench: Bench) -> None:
    event = Event(USER, TYPE, NOW, PAYLOAD)

    def ours() -> bytes | None:
        return encode_plain(event) if is_plain(event.payload) else None

    assert ours() is not None
    pairs = bench.alternate(lambda: per_call(ours, CALLS), lambda: per_call(lambda: by_json(PAYLOAD), CALLS), 20)
    bench.row("encode an event of plain values", pairs, unit="s", against="json.dumps")


def test_other_values(bench: Bench) -> None:
    payload = {**PAYLOAD, "total": Decimal("89.95"), "at": NOW}
    event = Event(USER, TYPE, NOW, payload)
    pairs = bench.alternate(
        lambda: per_call(lambda: encode_event(event), CALLS), lambda: per_call(lambda: by_json(payload), CALLS), 20
    )
    bench.row("encode an event with a Decimal and a datetime", pairs, unit="s", against="json.dumps(default=str)")
