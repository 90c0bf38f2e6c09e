"""The transport: the contract of the SDK, as tests that it brings along, and what is particular to a queue."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from segops_plugin_example import SqliteQueue

from segops import SegOpsClient, SegOpsConfigError, SegOpsTransportError
from segops.core import BATCH_PATH, Request, Transport
from segops.testing import TransportConformance


def events_in(path: Path | str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        return [json.loads(event) for (event,) in database.execute("SELECT event FROM events ORDER BY id")]


class TestSqliteQueue(TransportConformance):
    """Runs the contract."""

    path: Path
    lock: sqlite3.Connection | None = None

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "queue.db"
        yield
        if self.lock is not None:
            self.lock.close()

    @pytest.fixture
    def transport(self) -> SqliteQueue:
        """Return a fresh one for each test."""
        return SqliteQueue(str(self.path))

    def delivered(self, transport: Transport) -> list[dict[str, Any]]:  # noqa: ARG002 - as the kit has it
        """Return what is in the queue."""
        return events_in(self.path)

    def stalled(self) -> SqliteQueue:
        """Return one whose database another program keeps locked."""
        self.lock = sqlite3.connect(self.path)
        self.lock.execute("BEGIN EXCLUSIVE")
        return SqliteQueue(str(self.path))


def test_a_client_finds_it_by_the_scheme_of_its_url(tmp_path: Path) -> None:
    with SegOpsClient(f"sqlite-queue://{tmp_path}/two%20words.db") as client:
        client.track(user_id="u-1", event_type="order_placed", payload={"total": 89.95})
        assert client.flush()
    [event] = events_in(tmp_path / "two words.db")
    assert event["payload"] == {"total": 89.95}


def test_a_relative_path_is_relative_to_where_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SegOpsClient("sqlite-queue:queue.db", batch=False) as client:
        client.track(user_id="u-1", event_type="order_placed")
        assert client.flush()
    assert len(events_in("queue.db")) == 1


@pytest.mark.parametrize("url", ["sqlite-queue:", "sqlite-queue://", "sqlite-queue://host/queue.db"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(SegOpsConfigError, match="needs a local path"):
        SegOpsClient(url)


@pytest.mark.parametrize("content", [None, b"not a database, but as long as one" * 100])
def test_what_sqlite_cannot_write_to_is_an_error_that_is_retried(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "no" / "queue.db"
    if content is not None:
        path = tmp_path / "queue.db"
        path.write_bytes(content)
    request = Request("POST", BATCH_PATH, body=b'{"events":[{}]}')
    with pytest.raises(SegOpsTransportError, match=str(path)):
        SqliteQueue(str(path)).send(request, timeout=1)
