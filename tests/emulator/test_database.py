"""The database of a local SegOps: persistence, sharing, errors, and atomic writes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from segops.core import BATCH_PATH, Request, Response, SegOpsConfigError
from segops.emulator import LocalSegOps
from tests.emulator.local_service import event
from tests.rig.programs import unmeasured


def send(segops: LocalSegOps, count: int = 3) -> Response:
    body = json.dumps({"events": [event(n, anonymous_id=f"d{n}") for n in range(count)]}).encode()
    return segops.handle(Request("POST", BATCH_PATH, {"Authorization": f"ApiKey {segops.secret_key}"}, body))


def test_a_file_keeps_events_and_keys(tmp_path: Path) -> None:
    path = tmp_path / "segops.db"
    with LocalSegOps(path) as first:
        assert send(first).status == 202
    assert path.stat().st_mode & 0o777 == 0o600
    with LocalSegOps(path) as again:
        assert (again.secret_key, again.public_key) == (first.secret_key, first.public_key)
        assert again.signing_secret == first.signing_secret
        assert (again.summary(), again.aliases()) == (first.summary(), first.aliases())
        assert send(again).status == 202
    first.close()


def test_a_closed_file_is_opened_again_on_use(tmp_path: Path) -> None:
    segops = LocalSegOps(tmp_path / "segops.db")
    send(segops)
    segops.close()
    segops.close()
    assert send(segops).status == 202
    assert segops.summary().events == 6
    segops.close()


def test_memory_is_kept_after_close() -> None:
    segops = LocalSegOps()
    send(segops)
    segops.close()
    assert segops.summary().events == 3


def test_the_journal_mode_is_a_rollback_journal(tmp_path: Path) -> None:
    path = tmp_path / "segops.db"
    with LocalSegOps(path) as segops:
        send(segops)
        beside = sorted(each.name for each in tmp_path.iterdir())
    assert not any(name.endswith(("-wal", "-shm")) for name in beside)


def test_given_keys_are_added_to_a_kept_database(tmp_path: Path) -> None:
    path = tmp_path / "segops.db"
    secret = "ab" * 16
    with LocalSegOps(path) as first:
        pass
    with LocalSegOps(path, secret_key="sk_test_mine", public_key="pk_test_mine", signing_secret=secret) as second:
        assert (second.secret_key, second.public_key) == ("sk_test_mine", "pk_test_mine")
        assert send(second).status == 202
    with LocalSegOps(path, public_key="pk_test_mine", signing_secret=secret) as third:
        assert third.secret_key == first.secret_key
        third.revoke_key("sk_test_mine")
    with pytest.raises(SegOpsConfigError, match="another signing secret"):
        LocalSegOps(path, signing_secret=secret)
    with pytest.raises(SegOpsConfigError, match="revoked"):
        LocalSegOps(path, secret_key="sk_test_mine")
    with pytest.raises(SegOpsConfigError, match="start with pk_"):
        LocalSegOps(path, public_key=first.secret_key)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def newer(path: Path) -> None:
    LocalSegOps(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b"no database" * 1000), "not a database"),
        (lambda path: path.mkdir(), "unable to open"),
        (foreign, "another program"),
        (newer, "its format is 99"),
    ],
)
def test_an_unusable_file_is_rejected_at_once(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "segops.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(SegOpsConfigError, match=message):
        LocalSegOps(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize("path", ["/nowhere/at/all/segops.db", "nul\0.db"])
def test_a_path_that_cannot_be_is_rejected(path: str) -> None:
    with pytest.raises(SegOpsConfigError, match=r"cannot use|must be the path"):
        LocalSegOps(path)


READ_ONLY = """
import os, sys
from segops.core import SegOpsConfigError
from segops.emulator import LocalSegOps
if os.getuid() == 0:  # to whom no file is read-only
    os.setuid(65534)
try:
    LocalSegOps(sys.argv[1])
except SegOpsConfigError as error:
    print(error)
"""


def test_a_read_only_file_is_rejected() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        Path(folder).chmod(0o755)
        path = Path(folder, "segops.db")
        LocalSegOps(path).close()
        path.chmod(0o444)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, path], env=unmeasured(), capture_output=True, text=True, check=True
        )
    assert "readonly database" in done.stdout


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "segops.db"
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from test_database import LocalSegOps, send\n"
        "with LocalSegOps(sys.argv[1]) as segops:\n"
        "    assert all(send(segops, 10).status == 202 for _ in range(20))\n"
    )
    with LocalSegOps(path) as segops:
        children = [subprocess.Popen([sys.executable, "-c", script, path, Path(__file__).parent]) for _ in range(2)]
        assert all(send(segops, 10).status == 202 for _ in range(20))
        assert [child.wait(200) for child in children] == [0, 0]
        assert segops.summary().events == 600


def test_a_database_that_breaks_gets_503_and_stores_nothing(tmp_path: Path) -> None:
    segops = LocalSegOps(tmp_path / "segops.db")
    with sqlite3.connect(segops.path) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON aliases BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    other.close()
    response = send(segops)
    assert response.status == 503
    assert "disk full" in json.loads(response.body)["detail"]
    assert segops.summary().events == 0
    assert [record.status for record in segops.requests()] == [503]
    with sqlite3.connect(segops.path) as other:
        other.execute("DROP TRIGGER full")
    other.close()
    assert send(segops).status == 202
    assert segops.summary().events == 3
    segops.close()


def test_a_transaction_that_sqlite_rolls_back_itself_is_handled(tmp_path: Path) -> None:
    segops = LocalSegOps(tmp_path / "segops.db")
    with sqlite3.connect(segops.path) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON aliases BEGIN SELECT RAISE(ROLLBACK, 'gone'); END")
    other.close()
    assert send(segops).status == 503
    assert segops.summary().events == 0
    segops.close()


def test_a_file_that_is_overwritten_gets_503(tmp_path: Path) -> None:
    segops = LocalSegOps(tmp_path / "segops.db")
    send(segops, 400)
    with Path(segops.path).open("r+b") as file:
        file.write(b"\xff" * Path(segops.path).stat().st_size)
    assert send(segops).status == 503
    segops.close()
    assert send(segops).status == 503  # opened again, and still no database
