"""Parquet files that `segops send` is given: their types, and columns that no event has."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from segops.emulator import LocalSegOps
from tests.rig.fault_server import FaultServer
from tests.rig.programs import SEGOPS, Run

MOMENT = datetime(2026, 4, 25, 14, 32, tzinfo=timezone.utc)
EVENT = {"user_id": "u", "event_type": "order_placed"}


def write(path: Path, *rows: Mapping[str, Any], schema: pa.Schema | None = None) -> str:
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return str(path)


def convert(run: Run, file: str, *words: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the events of a file, and the report."""
    out = Path(file).with_suffix(".out")
    out.unlink(missing_ok=True)
    done = run("send", file, "--api-url", f"file:{out}", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in out.read_text().splitlines()], json.loads(done.stdout)


def test_columns_become_fields(run: Run, tmp_path: Path) -> None:
    payload = {"total": 9.5, "lines": [{"sku": "a", "count": 2}]}
    rows: list[dict[str, Any]] = [
        {**EVENT, "occurred_at": MOMENT, "payload": payload, "anonymous_id": None},
        {**EVENT, "occurred_at": None, "payload": None, "anonymous_id": "a"},
    ]
    first, second = convert(run, write(tmp_path / "events.parquet", *rows))[0]
    assert first == {**EVENT, "occurred_at": "2026-04-25T14:32:00Z", "payload": payload}
    assert (second["anonymous_id"], "payload" in second) == ("a", False)


def test_types_that_warehouses_have(run: Run, tmp_path: Path) -> None:
    fields = [
        ("userId", pa.string()),
        ("eventType", pa.string()),
        ("occurredAt", pa.timestamp("ns", "Europe/Berlin")),
        ("payload", pa.map_(pa.string(), pa.int64())),
    ]
    row = {"userId": "u", "eventType": "order_placed", "occurredAt": MOMENT, "payload": {"a": 1}}
    [event], _ = convert(run, write(tmp_path / "events.parquet", row, schema=pa.schema(fields)))
    assert event == {**EVENT, "occurred_at": "2026-04-25T16:32:00+02:00", "payload": {"a": 1}}


def test_the_rest_may_become_the_payload(run: Run, tmp_path: Path) -> None:
    row = {"uid": 7, "day": MOMENT.date(), "total": Decimal("9.50"), "note": None, "secret": "x"}
    file = write(tmp_path / "events.parquet", row)
    words = ["user_id=uid", 'event_type="order_placed"', "occurred_at=day", "payload=*"]
    [event], report = convert(run, file, "--ignore-key=secret", *(f"--map={word}" for word in words))
    assert event == {
        "user_id": "7",
        "event_type": "order_placed",
        "occurred_at": "2026-04-25T00:00:00Z",
        "payload": {"total": 9.5},
    }
    assert "unmapped_keys" not in report


@pytest.mark.parametrize(
    ("row", "words", "message"),
    [
        ({"event_type": "e"}, [], "has no column 'user_id': it has event_type; add --map user_id=COLUMN"),
        ({"user_id": "u", "kind": "e"}, [], "has no column 'event_type': it has user_id, kind; add --map event_type="),
        ({**EVENT, "user_id": 7}, [], "user_id in {file} is of type int64, and user ids are text: add --map user_id="),
        ({**EVENT, "total": 1, "n": 2}, [], "has columns that no event has: 'total', 'n'; an event has user_id, "),
        ({**EVENT, "n": 2}, [], "To send them in the payload, add --map 'payload=*'"),
        (EVENT, ["--map=user_id=uid|u.id"], "has no column 'uid' or 'u.id' for user_id: it has user_id, event_type;"),
    ],
)
def test_a_file_without_the_columns_of_events_is_refused(
    run: Run, tmp_path: Path, row: Mapping[str, Any], words: list[str], message: str
) -> None:
    good = write(tmp_path / "good.parquet", {**EVENT, "uid": "u"} if words else EVENT)
    file = write(tmp_path / "bad.parquet", row)
    with FaultServer() as server:
        done = run("send", good, file, *words, "--api-url", server.url, SEGOPS_API_KEY="sk_1")
    assert (done.returncode, done.stdout) == (2, "")
    assert message.replace("{file}", repr(file)) in done.stderr
    assert server.journal == [], "not even the first file is sent"


@pytest.mark.parametrize("keep", [-20, -1, 100, 6])
def test_a_truncated_file_is_refused(run: Run, tmp_path: Path, keep: int) -> None:
    file = Path(write(tmp_path / "events.parquet", *[EVENT] * 100))
    file.write_bytes(file.read_bytes()[:keep])
    with FaultServer() as server:
        done = run("send", str(file), "--api-url", server.url, SEGOPS_API_KEY="sk_1")
    assert (done.returncode, done.stdout, server.journal) == (2, "", [])
    assert "a Parquet file, to the end (" in done.stderr
    assert "nothing was sent; get a complete copy" in done.stderr


def test_a_stream_cannot_be_parquet(environment: Mapping[str, str], tmp_path: Path) -> None:
    content = Path(write(tmp_path / "events.parquet", EVENT)).read_bytes()
    for name in ("-", "/dev/stdin"):
        done = subprocess.run(
            [*SEGOPS, "send", name, "--api-url=memory:"],
            input=content,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"which cannot be read from a stream: pass its name" in done.stderr


def test_a_program_without_pyarrow_names_the_extra(run: Run, tmp_path: Path, local: LocalSegOps) -> None:
    file = write(tmp_path / "events.parquet", EVENT)
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('no', name='pyarrow')")
    (tmp_path / "zstandard.py").write_text("raise ModuleNotFoundError('no', name='zstandard')")
    done = run("send", file, "--api-url", "memory:", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'segops-sdk[parquet]'" in done.stderr
    (tmp_path / "events.zst").write_bytes(b"\x28\xb5\x2f\xfd123")
    done = run("send", str(tmp_path / "events.zst"), "--api-url", "memory:", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'segops-sdk[zstd]'" in done.stderr
    assert local.requests() == []
