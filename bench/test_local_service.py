"""The cost of `segops dev` with many events: ingestion, segments, and the page."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import msgspec
import pytest

from bench.load import TYPE, payload
from bench.report import Bench, Goal
from bench.served import BATCH, Dev, batches, fill, store
from segops import SegOpsClient
from segops.core import Request
from segops.emulator import LocalSegOps

EVENTS = 100_000
PURCHASES = 70_000
COLUMNS = "user_id, event_type, occurred_at, received_at, payload, anonymous_id, bot_class, key_id"

# The requests of the page at / and of each of its views.
PAGE = ["/_dev/events?limit=100", "/_dev/overview", "/_dev/requests?after=0", "/_dev/referrals"]
PAGE += ["/api/explorer/users/?q=&limit=100", "/api/segments/1/members/?limit=30"]

COUNT = {"type": "event_count", "event_type": TYPE, "operator": "gte", "value": 2}
SUM = {"type": "monetary", "event_type": TYPE, "property": "total", "metric": "sum", "operator": "gte", "value": 100}
TRAIT = {"type": "event_property", "event_type": TYPE, "property": "currency", "operator": "eq", "value": "USD"}
SEGMENT = {"logic": "AND", "conditions": [COUNT, SUM, TRAIT]}


def rows(path: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as database:
        found = database.execute(f"SELECT {COLUMNS} FROM events WHERE id <= ?", (EVENTS,)).fetchall()
    database.close()
    return found


def insert(path: Path, given: list[tuple[object, ...]]) -> float:
    """Store rows with `executemany`, 500 per transaction; return the events per second."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"CREATE TABLE IF NOT EXISTS plain (id INTEGER PRIMARY KEY AUTOINCREMENT, {COLUMNS})")
    database.execute("CREATE INDEX IF NOT EXISTS by_user ON plain (user_id)")
    started = time.perf_counter()
    for first in range(0, len(given), BATCH):
        database.execute("BEGIN IMMEDIATE")
        database.executemany(
            f"INSERT INTO plain ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", given[first : first + BATCH]
        )
        database.execute("COMMIT")
    taken = time.perf_counter() - started
    database.close()
    return len(given) / taken


def track(client: SegOpsClient) -> float:
    """Track events; return how many per second were stored."""
    started = time.perf_counter()
    for number in range(EVENTS):
        client.track(user_id=f"user-{number % 30_000}", event_type=TYPE, payload=payload(number))
    assert client.flush(60)
    return EVENTS / (time.perf_counter() - started)


def test_100000_events_over_http(bench: Bench, tmp_path: Path) -> None:
    with Dev(tmp_path / "segops.db") as dev:
        client = SegOpsClient(dev.url, dev.secret_key)
        track(client)
        given = rows(tmp_path / "segops.db")
        pairs = bench.alternate(lambda: track(client), lambda: insert(tmp_path / "plain.db", given), 3)
        assert client.stats().delivered == EVENTS * 5
        client.shutdown()
    bench.row(
        "100,000 events, SDK to segops dev", pairs, unit="/s", against="executemany to a file", goal=Goal("≥", 1 / 10)
    )


class Store:
    """A database with `count` events and one segment."""

    def __init__(self, path: Path, count: int) -> None:
        fill(path, count)
        self.path = path
        self.count = count
        self.local = LocalSegOps(path)
        self._ask("/api/segments/", b'{"name": "S", "definition": %s}' % msgspec.json.encode(SEGMENT))
        self.recompute()

    def recompute(self) -> float:
        """Compute the segment; return the seconds."""
        started = time.perf_counter()
        self._ask("/api/segments/1/compute/", b"")
        return time.perf_counter() - started

    def ingest(self) -> float:
        """Store 5,000 more events and remove them; return the seconds per event."""
        taken = store(self.local, batches(self.count, 5000))
        with sqlite3.connect(self.path) as database:
            database.execute("DELETE FROM events WHERE id > ?", (self.count,))
        database.close()
        return taken / 5000

    def _ask(self, path: str, body: bytes) -> None:
        headers = {"authorization": f"ApiKey {self.local.secret_key}"}
        assert self.local.handle(Request("POST", path, headers, body)).status < 300


def count(path: Path) -> float:
    """Count the users with two events in plain SQL; return the seconds."""
    database = sqlite3.connect(path)
    started = time.perf_counter()
    sql = "SELECT count(*) FROM (SELECT user_id FROM events WHERE event_type = ? GROUP BY 1 HAVING count(*) >= 2)"
    database.execute(sql, (TYPE,)).fetchone()
    taken = time.perf_counter() - started
    database.close()
    return taken


def test_recompute(bench: Bench, tmp_path: Path) -> None:
    made = Store(tmp_path / "segops.db", PURCHASES)
    pairs = bench.alternate(made.recompute, lambda: count(made.path), 7)
    made.local.close()
    bench.row(
        "recompute, 3 conditions, 70,000 events", pairs, unit="s", against="a plain SQL count", goal=Goal("≤", 20)
    )


def test_the_page(bench: Bench, tmp_path: Path) -> None:
    small, large = Store(tmp_path / "small.db", 1000), Store(tmp_path / "large.db", EVENTS)
    small.local.close()
    large.local.close()
    with Dev(small.path) as few, Dev(large.path) as many:
        measured = bench.alternate(
            lambda: [many.p50(path, 9) for path in PAGE], lambda: [few.p50(path, 9) for path in PAGE], 3
        )
    for number, path in enumerate(PAGE):
        pairs = [(many_[number], few_[number]) for many_, few_ in measured]
        bench.row(f"{path.partition('?')[0]} p50, 100,000 events", pairs, unit="s", against="1,000 events")


def test_growth(bench: Bench, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Print the cost per event for growing stores, up to 1,000,000 events with `--largest 1000000`."""
    largest = int(pytestconfig.getoption("largest"))
    base = Store(tmp_path / "10000.db", 10_000)
    others = [Store(tmp_path / f"{size}.db", size) for size in (100_000, 1_000_000) if size <= largest]
    measured = bench.repeat(lambda: [figures(made) for made in (base, *others)], 3)
    for number, made in enumerate(others, 1):
        for name in measured[0][0]:
            pairs = [(each[number][name], each[0][name]) for each in measured]
            bench.row(f"{name}, {made.count:,} events", pairs, unit="s", against="10,000 events")
    for made in (base, *others):
        made.local.close()


def figures(made: Store) -> dict[str, float]:
    """Return the cost per event; response times that depend on all events are divided by their number."""
    taken = {"store one more": made.ingest(), "recompute, per event": made.recompute() / made.count}
    with Dev(made.path) as dev:
        taken["/_dev/events"] = dev.p50("/_dev/events?limit=100", 5)
        taken["/_dev/overview, per event"] = dev.p50("/_dev/overview", 5) / made.count
        taken["/_dev/referrals, per event"] = dev.p50("/_dev/referrals", 5) / made.count
        taken["/api/explorer/users/, per event"] = dev.p50("/api/explorer/users/?limit=100", 5) / made.count
    return taken
