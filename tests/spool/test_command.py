"""`segops spool`, run in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rig.fault_server import FaultServer, respond
from tests.rig.harness import MakeRig, names
from tests.rig.programs import unconfigured
from tests.spool.spool_rig import ROOT, closed_port, held, rows, stored


def segops(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "segops", "spool", *words],
        env={**unconfigured(), "SEGOPS_API_KEY": "sk_test_planted", **more},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "sk_test_planted" not in done.stdout + done.stderr
    return done


@pytest.fixture
def filled(make: MakeRig, spool: Path) -> Path:
    """Return a spool with two batches of a process that is gone."""
    rig = make(lambda _: 503)
    rig.track(*names(3))
    rig.client.flush(0.01)
    rig.track("later")
    rig.client.shutdown(0)
    assert held(spool) == 4
    return spool


def test_inspect_shows_what_waits_and_changes_nothing(filled: Path) -> None:
    before = filled.read_bytes()
    [first, second] = json.loads(segops("inspect", "--path", str(filled)).stdout)
    assert (first["events"], first["attempts"], first["key_kind"]) == (3, 1, "secret")
    assert (second["events"], second["is_held"], second["is_sound"]) == (1, False, True)
    shown = segops("inspect", "-o", "table", SEGOPS_SPOOL=str(filled))
    assert shown.stdout.split()[:6] == ["STORED", "EVENTS", "BYTES", "ATTEMPTS", "KEY", "STATE"]
    assert "4 event(s) in 2 batch(es)" in shown.stderr
    assert "user-1" not in shown.stdout + shown.stderr
    lines = segops("inspect", "-o", "csv", "--fields=events,attempts", SEGOPS_SPOOL=str(filled)).stdout
    assert lines == "events,attempts\n3,1\n1,0\n"
    assert filled.read_bytes() == before


def test_inspect_tells_what_a_running_process_holds(make: MakeRig, spool: Path) -> None:
    rig = make(lambda _: 503)
    rig.track("a")
    rig.client.flush(0.01)
    assert [batch["is_held"] for batch in json.loads(segops("inspect", "--path", str(spool)).stdout)] == [True]
    assert json.loads(segops("purge", "--yes", "--path", str(spool)).stdout) == {"deleted": 0, "held": 1}
    assert held(spool) == 1


def test_send_delivers_it(filled: Path) -> None:
    with FaultServer() as server:
        done = segops("send", "--path", str(filled), "--api-url", server.url)
        assert stored(server) == [*names(3), "later"]
    assert (done.returncode, json.loads(done.stdout)) == (0, {"found": 4, "delivered": 4, "dropped": {}, "left": 0})
    assert rows(filled) == []
    assert segops("send", "--path", str(filled), "--api-url", server.url, "-o", "table").stdout.split()[3::2] == [
        "0",
        "0",
        "{}",
        "0",
    ]


def test_send_says_what_is_left(filled: Path) -> None:
    done = segops("send", "--path", str(filled), "--api-url", closed_port(), "--timeout", "3")
    assert done.returncode == 5
    assert json.loads(done.stdout)["left"] == 4
    assert held(filled) == 4
    with FaultServer(*[respond(401)] * 9) as server:
        done = segops("send", "--path", str(filled), "--api-url", server.url, "--timeout", "60")
    assert done.returncode == 4, "the key is refused"
    assert held(filled) == 4


def test_send_tells_of_damage_however_slow_the_log_is(filled: Path, tmp_path: Path) -> None:
    """The log comes before `on_error`, on the worker's thread, which nobody waits for without end."""
    filled.write_bytes(b"x" * 100 + filled.read_bytes()[100:])
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import logging, time\n"
        "handler = logging.Handler()\n"
        "handler.emit = lambda record: time.sleep(3.0)\n"
        "logging.getLogger('segops').addHandler(handler)\n"
    )
    with FaultServer() as server:
        done = segops("send", "--path", str(filled), "--api-url", server.url, PYTHONPATH=str(tmp_path / "site"))
    assert (done.returncode, json.loads(done.stdout)["delivered"]) == (1, 4)
    assert "not a spool: its header differs" in done.stderr


def test_send_is_not_stuck_when_nothing_of_it_is_ours(filled: Path) -> None:
    started = time.monotonic()
    done = segops("send", "--path", str(filled), "--api-url", closed_port(), SEGOPS_API_KEY="pk_test_planted")
    assert (done.returncode, json.loads(done.stdout)["found"]) == (0, 0)
    assert time.monotonic() - started < 30


def test_export_prints_the_events_and_leaves_them(filled: Path) -> None:
    lines = segops("export", "--path", str(filled)).stdout.splitlines()
    assert [json.loads(line)["user_id"] for line in lines] == [*names(3), "later"]
    assert held(filled) == 4


def test_purge_asks_first(filled: Path) -> None:
    done = segops("purge", "--path", str(filled))
    assert done.returncode == 2
    assert "4 event(s)" in done.stderr
    assert held(filled) == 4
    assert json.loads(segops("purge", "--yes", "--path", str(filled)).stdout) == {"deleted": 4, "held": 0}
    assert rows(filled) == []
    assert "0 event(s) deleted" in segops("purge", "--yes", "--path", str(filled), "-o", "table").stdout


@pytest.mark.parametrize("action", ["inspect", "send", "export", "purge"])
def test_a_path_is_needed_and_must_lead_to_a_spool(tmp_path: Path, action: str) -> None:
    assert segops(action).returncode == 2
    missing = tmp_path / "missing.db"
    done = segops(action, "--path", str(missing))
    assert (done.returncode, "missing.db" in done.stderr) == (2, True)
    assert not missing.exists()


@pytest.mark.parametrize("action", ["inspect", "export", "purge"])
def test_a_damaged_one_is_told_and_left_to_send(filled: Path, action: str) -> None:
    filled.write_bytes(b"x" * 100 + filled.read_bytes()[100:])
    done = segops(action, "--path", str(filled), *(["--yes"] if action == "purge" else []))
    assert done.returncode == 1
    assert "spool send" in done.stderr
    with FaultServer() as server:
        assert segops("send", "--path", str(filled), "--api-url", server.url).returncode == 1, "it tells of the damage"
        assert stored(server) == [*names(3), "later"]
