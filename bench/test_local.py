"""The cost of the local SegOps, compared to the database alone."""

from __future__ import annotations

import json
import sqlite3
import time

import msgspec

from bench.load import TYPE, USER, payload
from bench.report import Bench, Goal
from segops.core import BATCH_PATH, Request
from segops.emulator import LocalSegOps

EVENTS = 500
NOW = "2026-04-25T14:32:00Z"


def test_batch_ingestion(bench: Bench) -> None:
    local = LocalSegOps()
    events = [
        {"user_id": USER, "event_type": TYPE, "occurred_at": NOW, "payload": payload(number)}
        for number in range(EVENTS)
    ]
    request = Request(
        "POST", BATCH_PATH, {"authorization": f"ApiKey {local.secret_key}"}, msgspec.json.encode({"events": events})
    )
    rows = [(USER, TYPE, NOW, NOW, json.dumps(event["payload"]), None, "human") for event in events]
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b, c, d, e, f, g)")

    def ingest() -> float:
        started = time.perf_counter()
        assert local.handle(request).status == 202
        return EVENTS / (time.perf_counter() - started)

    def insert() -> float:
        started = time.perf_counter()
        with database:
            database.executemany("INSERT INTO events (a, b, c, d, e, f, g) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        return EVENTS / (time.perf_counter() - started)

    pairs = bench.alternate(ingest, insert, 50)
    database.close()
    bench.row("local SegOps, batch ingestion", pairs, unit="/s", against="executemany", goal=Goal("≥", 1 / 4))
