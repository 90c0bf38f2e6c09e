"""Databases that are shared, read-only, full, or corrupt: nothing is stored partially, and the server keeps running."""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from segops.core import BATCH_PATH, SegOpsConfigError
from segops.emulator import LocalSegOps
from tests.emulator.served import DEV, LOCAL_SERVER, Served, must_reject, serve, stock

BATCH = 50


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that nobody may write to; pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def users(name: str) -> list[str]:
    return [f"{name}-{number}" for number in range(BATCH)]


def test_two_processes_store_all_that_they_accept_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "segops.db"
    with serve(LOCAL_SERVER, path) as one, serve(DEV, path) as other, ThreadPoolExecutor(8) as pool:
        names = [f"batch-{number}" for number in range(120)]
        statuses = list(pool.map(lambda name: (one, other)[int(name[6:]) % 2].batch(users(name)), names))
        assert set(statuses) <= {202, 503}
        accepted = Counter(
            user for name, status in zip(names, statuses, strict=True) if status == 202 for user in users(name)
        )
        stored = Counter(dict(one.query("SELECT user_id, count(*) FROM events GROUP BY 1")))
        assert stored == accepted
        assert statuses.count(202) > 60
        assert (one.good(), other.good()) == (202, 202)


def test_a_batch_that_fails_at_its_last_event_is_not_stored(tmp_path: Path) -> None:
    events = [{"user_id": user, "event_type": "batched"} for user in users("batch")]
    events[-1]["anonymous_id"] = "device"
    with serve(LOCAL_SERVER, tmp_path / "segops.db") as served:
        with closing(sqlite3.connect(served.path)) as other:
            other.execute("CREATE TRIGGER full BEFORE INSERT ON aliases BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        must_reject(served.ask("POST", BATCH_PATH, {"events": events}), 503)
        assert (served.counts()["events"], served.counts()["aliases"]) == (0, 0)
        assert served.good() == 202
        assert served.counts()["events"] == 1


def test_a_database_that_became_read_only_stores_nothing_and_recovers(folder: Path) -> None:
    path = folder / "segops.db"
    with serve(LOCAL_SERVER, path, "nobody") as served:
        assert served.good() == 202
        before = served.counts()
        files = [file for file in folder.iterdir() if file.is_file()]
        folder.chmod(0o555)
        for file in files:
            file.chmod(0o444)
        for _ in range(3):
            must_reject(served.ask("POST", BATCH_PATH, {"events": [{"user_id": "u", "event_type": "e"}]}), 503)
            must_reject(served.ask("POST", "/api/segments/", {"name": "S"}), 503)
        assert served.ask("GET", "/api/segments/").status in {200, 503}
        assert served.counts() == before
        folder.chmod(0o777)
        for file in files:
            file.chmod(0o666)
        assert served.good() == 202
        assert served.counts()["events"] == before["events"] + 1


def test_a_full_disk_stores_nothing_by_halves_and_recovers(tmp_path: Path) -> None:
    with serve(LOCAL_SERVER, tmp_path / "segops.db") as served:
        assert served.batch(users("first"), 1000) == 202
        limit = served.path.stat().st_size + 200_000
        _, most = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (limit, most))
        statuses = [served.batch(users(f"more-{number}"), 1000) for number in range(12)]
        assert set(statuses) == {202, 503}
        assert served.counts()["events"] == BATCH * (1 + statuses.count(202))
        refused = served.ask(
            "POST", BATCH_PATH, {"events": [{"user_id": "u", "event_type": "e", "payload": {"a": "x" * 300_000}}]}
        )
        must_reject(refused, 503)
        assert served.ask("GET", "/api/analytics/usage/").status == 200
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (most, most))
        assert served.batch(users("last"), 1000) == 202
        assert served.counts()["events"] == BATCH * (2 + statuses.count(202))


def flip(path: Path, seed: int) -> None:
    """Turn over one bit in each of 64 places."""
    chosen = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(64):
        data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    path.write_bytes(data)


READS = [
    "/api/segments/",
    "/api/segments/1/members/",
    "/api/pim/products/",
    "/api/explorer/users/",
    "/api/analytics/usage/",
]
READS += ["/api/schemas/", "/api/activations/", "/api/ai-pages/pages/", "/api/ai-reach/dashboard/", "/api/pim/facets/"]


@pytest.mark.parametrize("seed", range(4))
def test_a_file_that_is_corrupted_while_it_is_served_gets_a_response(tmp_path: Path, seed: int) -> None:
    with serve(LOCAL_SERVER, tmp_path / "segops.db") as served:
        stock(served)
        for number in range(5):
            assert served.batch(users(f"batch-{number}"), 500) == 202
        flip(served.path, seed)
        must_go_on(served)


def must_go_on(served: Served) -> None:
    """Check that each response is a good or a documented one, in every state of the database."""
    replies = [served.ask("GET", path) for path in READS]
    replies += [served.ask("POST", "/api/segments/1/compute/"), served.ask("POST", "/api/pim/score-all/")]
    for reply in replies:
        if reply.status >= 300:
            must_reject(reply, 401, 404, 500, 503)
        assert json.loads(reply.body) is not None
    assert served.batch(users("late")) in {202, 401, 503}
    must_reject(served.ask("GET", "/api/nothing/"), 404)
    assert served.ask("GET", "/api/").status == 200


@pytest.mark.parametrize("seed", range(10, 14))
def test_a_corrupt_file_is_rejected_at_the_start_or_served_with_documented_responses(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "segops.db"
    with serve(LOCAL_SERVER, path) as served:
        stock(served)
    flip(path, seed)
    with suppress(SegOpsConfigError):
        LocalSegOps(path).close()
        must_go_on_from(path)


def must_go_on_from(path: Path) -> None:
    with serve(LOCAL_SERVER, path) as served:
        must_go_on(served)
