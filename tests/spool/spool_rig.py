"""Helpers for tests of the spool: processes to kill, and the contents of the file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from tests.rig.fault_server import FaultServer
from tests.rig.ports import refused_port
from tests.rig.programs import unconfigured, unmeasured

ROOT = Path(__file__).parents[2]
LIMIT = 100.0

HEADER = """
import os, signal, sys, threading, time
from segops import Limits, RetryPolicy, SegOpsClient
url, spool = sys.argv[1:3]
def make(**options):
    return SegOpsClient(url, "sk_test_spool", spool=spool, **options)
def track(client, *names):
    for name in names:
        client.track(user_id=name, event_type="x")
def wait_until(condition):
    end = time.monotonic() + 60.0
    while not condition():
        if time.monotonic() > end:
            sys.exit("the condition did not hold within 60 s")
        time.sleep(0.005)
"""


def start(code: str, url: str, spool: Path, *more: str, **options: Any) -> subprocess.Popen[str]:
    """Start a program that may make clients with `make()`."""
    environment = unconfigured(unmeasured())
    return subprocess.Popen(
        [sys.executable, "-c", HEADER + textwrap.dedent(code), url, str(spool), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        **options,
    )


def run(code: str, url: str, spool: Path, *more: str, **options: Any) -> list[str]:
    """Run such a program to its end and return what it printed."""
    with start(code, url, spool, *more, **options) as child:
        out, err = child.communicate(timeout=LIMIT)
    assert child.returncode == 0, err
    return out.split()


def stored(server: FaultServer) -> list[str]:
    """Return the users whose events reached the server."""
    bodies = [msgspec.json.decode(received.body) for received in server.journal]
    return [event["user_id"] for body in bodies for event in body["events"]]


def rows(path: Path, columns: str = "place, events, attempts, lease") -> list[tuple[Any, ...]]:
    """Return what is in a spool, oldest first."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM batches ORDER BY place").fetchall()


def held(path: Path) -> int:
    """Return how many events are in a spool."""
    return sum(events for (events,) in rows(path, "events"))


def closed_port() -> str:
    """Return a URL on which nobody listens."""
    return f"http://127.0.0.1:{refused_port()}"
